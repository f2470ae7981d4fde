import Foundation
import NIOHTTP1
import TestSupport
import Testing
import VerbatimAPI
import VerbatimJSON
import VerbatimTesting

@testable import VerbatimProxy

@Suite("Keys that an engine repeats are not recorded", .onOwnThreads, .timeLimit(.minutes(10)))
struct SecretsTests {
    static let engineSays =
        "{\"error\":{\"message\":\"Incorrect API key provided: \u{1}. See https://x\",\"code\":401}}"

    @Test(
        "A repeated key is masked in the record, and the agent gets the engine's bytes",
        arguments: [nil, "sk-engine-0123456789"], [400, 401, 500])
    func aRepeatedKeyIsMaskedInTheRecord(engineKey: String?, status: Int) async throws {
        let key = engineKey ?? "sk-agent-0123456789"
        let said = Self.engineSays.replacing("\u{1}", with: key)
        try await withProxy(
            { $0.upstreamAPIKey = engineKey },
            script: {
                try await $0.respond(status: status, headers: [("Content-Type", "application/json")], body: said)
            }
        ) { proxy in
            let agentKey = ("Authorization", "Bearer sk-agent-0123456789")
            let response = try await proxy.chat(headers: [agentKey])
            #expect(response.bodyText == said)
            let record = try #require(try await proxy.finalRecords().only)
            #expect(record.upstreamError?.contains("Incorrect API key provided: [redacted]. See") == true)
            #expect(!record.line.contains(key))
        }
    }

    @Test("A repeated key is masked in the engine's words that a refusal quotes")
    func aRepeatedKeyIsMaskedInRefusals()
        async throws
    {
        let words = #"{"error":{"message":"key sk-engine-0123456789 may not ask for logprobs","code":"bad"}}"#
        try await withProxy(
            {
                $0.upstreamAPIKey = "sk-engine-0123456789"
                $0.policy.requirement = .logprobs
            },
            script: {
                try await $0.respond(status: 400, headers: [("Content-Type", "application/json")], body: words)
            }
        ) { proxy in
            let response = try await proxy.chat()
            #expect(response.status == 422 && response.bodyText.contains("key [redacted] may not"))
            let records = try await proxy.finalRecords()
            #expect(records.count == 1 && !records.contains { $0.line.contains("sk-engine") })
        }
    }

    @Test("A repeated key is masked in an error event")
    func aRepeatedKeyIsMaskedInAnErrorEvent() async throws {
        try await withProxy(
            { $0.upstreamAPIKey = "sk-engine-0123456789" },
            script: { exchange in
                try await exchange.startEventStream()
                try await exchange.sendEvent(Chat.event(1))
                try await exchange.sendEvent(#"{"error":{"message":"sk-engine-0123456789 was revoked","code":401}}"#)
                try await exchange.finishStream()
            }
        ) { proxy in
            #expect(try await proxy.chat(Chat.stream).bodyText.contains("sk-engine-0123456789 was revoked"))
            let record = try #require(try await proxy.finalRecords().only)
            #expect(record.upstreamError?.contains("[redacted] was revoked") == true)
            #expect(!record.line.contains("sk-engine"))
        }
    }

    @Test("Model output is never masked")
    func modelOutputIsNeverMasked() async throws {
        try await withProxy(
            { $0.upstreamAPIKey = "hello-there" },
            script: {
                try await $0.respond(
                    headers: [("Content-Type", "application/json")], body: Chat.body(content: "hello-there"))
            }
        ) { proxy in
            _ = try await proxy.chat()
            #expect(try await proxy.finalRecords().only?.content == "hello-there")
        }
    }

    // MARK: The text

    private func masked(_ error: String, _ secrets: String..., headers: HTTPHeaders = [:]) throws -> String {
        let response = #"{"upstream_status":null,"upstream_error":\#(error)}"#
        let text = Secrets(configured: secrets, headers: headers).masked(response: JSONText(Array(response.utf8))).bytes
        _ = try JSONSerialization.jsonObject(with: Data(text))
        let result = String(decoding: text, as: UTF8.self)
        return String(result.dropFirst(#"{"upstream_status":null,"upstream_error":"#.count).dropLast())
    }

    @Test("Only strings are masked")
    func onlyStringsAreMasked() throws {
        #expect(try masked(#"{"a":12345678,"b":"12345678 2"}"#, "12345678") == #"{"a":12345678,"b":"[redacted] 2"}"#)
        #expect(try masked(#"{"u0041bcdef":"\u0041bcdefgh"}"#, "u0041bcd") == #"{"[redacted]ef":"\u0041bcdefgh"}"#)
        #expect(try masked(#""\\sk-long-key\"sk-long-key""#, "sk-long-key") == #""\\[redacted]\"[redacted]""#)
        #expect(try masked(#""a","b":"c""#.replacing(#","b":"c""#, with: ""), #"a","b":""#) == #""a""#)
        #expect(try masked("null", "sk-long-key") == "null")
    }

    @Test(
        "A key is found in whatever form it is written",
        arguments: [
            #"sk-a\/b+c=d0"#, #"sk-a\u002fb\u002Bc\u003dd0"#, "sk-a%2Fb%2bc%3Dd0", #"sk-a\\/b\\u002bc=d0"#,
            "sk-a&#x2F;b&#43;c=d0", #"\u0073\u006b-a/b+c=d\u0030"#, "sk-a%252Fb%252Bc=d0", #"sk-a/b\\x2bc=d0"#,
            "sk-a/b+c=d0",
        ])
    func escapedKeys(form: String) throws {
        #expect(try masked(#""key \#(form), no""#, "sk-a/b+c=d0") == #""key [redacted], no""#)
        #expect(try masked(#""\#(form)""#, headers: ["x-api-key": "sk-a/b+c=d0"]) == #""[redacted]""#)
        #expect(try masked(#"{"a":{"b":["\#(form)\n"]}}"#, "sk-a/b+c=d0") == #"{"a":{"b":["[redacted]\n"]}}"#)
    }

    @Test("A text that is not JSON hides a key no better")
    func escapedKeysInText() {
        let secrets = Secrets(configured: ["sk-a/b+c=d0"])
        #expect(secrets.masked(#"no sk-a\/b\u002bc=d0!"#) == "no [redacted]!")
        #expect(secrets.masked("no sk-a%2Fb%2Bc%3Dd0!") == "no [redacted]!")
        #expect(secrets.masked(#"no sk-a\/b\u002bc\u00"#) == #"no [redacted]\u00"#)
    }

    @Test("A key with quotation marks and backslashes is masked, and the text stays JSON")
    func keysThatNeedEscapes() throws {
        #expect(try masked(#""a sk-\"long\\key\" b""#, #"sk-"long\key""#) == #""a [redacted] b""#)
        #expect(try masked(#""sk-longkey\\""#, #"sk-longkey\"#) == #""[redacted]""#)
        #expect(try masked(#"["sk-longkey\\","x"]"#, #"sk-longkey\",""#) == #"["sk-longkey\\","x"]"#)
    }

    @Test("A secret of the engine's URL is also found decoded")
    func decodedSecrets() throws {
        #expect(try masked(#""sig abc+def/ghi=""#, "abc%2Bdef%2Fghi%3D") == #""sig [redacted]""#)
        #expect(try masked(#""sig abc%2Bdef%2Fghi%3D""#, "abc%2Bdef%2Fghi%3D") == #""sig [redacted]""#)
    }

    @Test("Many backslashes cost no more than other text")
    func backslashes() {
        let secrets = Secrets(configured: ["\\\\\\\\key-long-enough"])
        let text = String(repeating: "\\", count: 1 << 17)
        #expect(secrets.masked(text) == text)
    }

    @Test("Keys that are too short to tell from words are not masked")
    func shortKeysAreNotMasked() throws {
        #expect(try masked(#""EMPTY message""#, "EMPTY", "message") == #""EMPTY message""#)
        #expect(try masked(#""EMPTY messages""#, "EMPTY", "messages") == #""EMPTY [redacted]""#)
    }

    @Test("Keys of the agent are masked whichever header held them")
    func agentKeysFromAnyHeaderAreMasked() throws {
        let headers: HTTPHeaders = [
            "authorization": "Bearer agent-key-1", "X-API-Key": "agent-key-2", "Api-Key": "agent-key-3",
            "X": "agent-key-4",
        ]
        let said = #""agent-key-1 agent-key-2 agent-key-3 agent-key-4""#
        #expect(try masked(said, headers: headers) == #""[redacted] [redacted] [redacted] agent-key-4""#)
    }

    @Test("Part of a key is masked")
    func aKeyThatWasCutIsMasked() {
        let secrets = Secrets(configured: ["sk-" + String(repeating: "x", count: 60)])
        #expect(secrets.masked("no: sk-" + String(repeating: "x", count: 60) + "!") == "no: [redacted]!")
        #expect(secrets.masked("no: sk-" + String(repeating: "x", count: 50) + "!") == "no: [redacted]!")
        #expect(secrets.masked("no: sk-xxxxxx") == "no: [redacted]")
        #expect(secrets.masked("no: sk-xxxx") == "no: sk-xxxx")
    }

    @Test("Secrets in the engine's URL are masked")
    func secretsOfTheURLAreKnown() throws {
        var settings = ProxySettings(
            upstream: try UpstreamURL("http://h/v1?api-version=2024-10-21&api-key=abc&sig=d%3D"))
        settings.upstreamAPIKey = "k"
        #expect(settings.secrets == ["k", "abc", "d%3D"])
    }
}
