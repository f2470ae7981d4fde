import TestSupport
import Testing
import Verbatim
import VerbatimAPI
import VerbatimTesting

@testable import VerbatimCLI

/// What `verbatim probe` finds out about engines that lose tokens, refuse or die.
@Suite("Probing an engine") struct ProbeTests {
    private func probe(
        _ engine: MockEngine, _ cells: [ProbeCell] = ProbeCell.all(of: [.chatCompletions])
    ) async throws -> [ProbeFinding] {
        let folder = try TemporaryFolder()
        var configuration = ProxyConfiguration(upstreamURL: engine.url)
        configuration.port = 0
        configuration.trace = folder.path("trace.jsonl")
        return try await withInterceptionProxy(configuration: configuration) { proxy in
            var probe = try await Probe(proxy: proxy, model: "m", patience: 1)
            var findings: [ProbeFinding] = []
            for cell in cells { findings.append(await probe.find(cell)) }
            return findings
        }
    }

    /// A chat completion of the tokens, without entries for the last `missing` of them.
    private static func reply(_ tokens: [String], missing: Int, reason: String, call: Bool = false) -> String {
        let entries = tokens.dropLast(missing).enumerated().map { index, token in
            #"{"token":"\#(token)","id":\#(index + 1),"logprob":-0.5,"top_logprobs":[]}"#
        }
        let calls = #","tool_calls":[{"id":"c","type":"function","function":{"name":"say","arguments":"{}"}}]"#
        return """
            {"id":"x","object":"chat.completion","model":"m","system_fingerprint":"b1-x","choices":[{"index":0,\
            "message":{"role":"assistant","content":"\(tokens.joined())"\(call ? calls : "")},\
            "finish_reason":"\(reason)","logprobs":{"content":[\(entries.joined(separator: ","))]}}],\
            "usage":{"prompt_tokens":3,"completion_tokens":\(tokens.count),"total_tokens":\(tokens.count + 3)}}
            """
    }

    /// Loses the token that ends a reply, except at the limit of tokens.
    private static let forgetful: MockEngine.Script = { exchange in
        let body = String(decoding: exchange.request.body, as: UTF8.self)
        guard exchange.request.method == "POST" else {
            return try await exchange.respond(body: #"{"data":[{"id":"m","owned_by":"llamacpp"}]}"#)
        }
        let text: String
        if body.contains(#""tools""#) {
            text = Self.reply(["a", "b", "c"], missing: 2, reason: "tool_calls", call: true)
        } else if body.contains(#""max_tokens":16"#) {
            text = Self.reply(["a", "b"], missing: 0, reason: "length")
        } else if body.contains(#""stop""#) {
            text = Self.reply(["On"], missing: 0, reason: "stop")
        } else {
            text = Self.reply(["One", " two", " three", "."], missing: 1, reason: "stop")
        }
        try await exchange.respond(body: text)
    }

    @Test("A reply is asked to end in every way, and each way says what is missing")
    func everyEnding() async throws {
        let engine = try await MockEngine.start(script: Self.forgetful)
        let cells = ProbeEnding.allCases.map { ProbeCell(api: .chatCompletions, isStream: false, ending: $0) }
        let findings = try await probe(engine, cells)
        await engine.stop()

        #expect(findings.map(\.cell.ending) == [.stop, .toolCall, .stopString, .length])
        #expect(findings.map(\.tokens.generated) == [4, 3, 1, 2])
        #expect(findings.map(\.tokens.withID) == [3, 1, 1, 2])
        #expect(findings.map(\.hasAskedEnding) == [true, true, true, true])
        #expect(findings.map { $0.meets(.tokens) } == [false, false, true, true])
        // The stop string comes from what the model said when it ended by itself.
        #expect(engine.requests.contains { String(decoding: $0.body, as: UTF8.self).contains(#""stop":["o t"]"#) })
        let report = ProbeReport(
            url: engine.url, engine: "llamacpp", model: "m", mode: .unknown, findings: findings, requirement: .tokens,
            requiredAPIs: [.chatCompletions])
        #expect(report.shortfalls.map(\.cell.ending) == [.stop, .toolCall])
        #expect(report.table.contains("stop         tokens  no        3/4"))
        #expect(report.json.contains(#""ending":"tool_call""#))
        #expect(report.json.contains(#""generated_tokens":3,"known_ids":1"#))
    }

    @Test("A reply that ends otherwise than asked is reported as such")
    func otherEnding() async throws {
        let engine = try await MockEngine.start { exchange in
            try await exchange.respond(body: Self.reply(["a"], missing: 0, reason: "length"))
        }
        let cells = [ProbeEnding.stop, .toolCall, .stopString].map {
            ProbeCell(api: .chatCompletions, isStream: false, ending: $0)
        }
        let findings = try await probe(engine, cells)
        await engine.stop()
        #expect(findings.map(\.hasAskedEnding) == [false, false, false])
    }

    @Test("An engine that hangs up on a kind of request is asked for the others")
    func hangsUp() async throws {
        let engine = try await MockEngine.start { exchange in
            let body = String(decoding: exchange.request.body, as: UTF8.self)
            if body.contains(#""tools""#) { return await exchange.close() }
            try await Self.forgetful(exchange)
        }
        let findings = try await probe(engine)
        await engine.stop()
        #expect(findings.count == 8)
        for finding in findings { #expect((finding.level == nil) == (finding.cell.ending == .toolCall)) }
    }

    @Test("A stream that is cut off is a finding")
    func cutStream() async throws {
        let engine = try await MockEngine.start { exchange in
            let body = String(decoding: exchange.request.body, as: UTF8.self)
            guard body.contains(#""stream":true"#) else { return try await Self.forgetful(exchange) }
            try await exchange.startEventStream()
            try await exchange.sendEvent(#"{"choices":[{"index":0,"delta":{"content":"a"}}]}"#)
            await exchange.close()
        }
        let findings = try await probe(engine)
        await engine.stop()
        for finding in findings { #expect((finding.level == nil) == finding.cell.isStream) }
    }

    @Test("After an engine that died for good, the other kinds are not asked for")
    func dies() async throws {
        let engine = try await MockEngine.start { exchange in
            if exchange.request.method == "POST" { throw CancellationError() }
            try await exchange.respond(body: #"{"data":[{"id":"m"}]}"#)
        }
        let folder = try TemporaryFolder()
        var configuration = ProxyConfiguration(upstreamURL: engine.url)
        configuration.port = 0
        configuration.trace = folder.path("trace.jsonl")
        let findings = try await withInterceptionProxy(configuration: configuration) { proxy in
            var probe = try await Probe(proxy: proxy, model: "m", patience: 1)
            await engine.stop()
            var findings: [ProbeFinding] = []
            for cell in ProbeCell.all(of: [.responses]) { findings.append(await probe.find(cell)) }
            return findings
        }
        let messages = findings.map { if case .failed(_, let message) = $0.result { message } else { "" } }
        #expect(!messages.contains(""))
        #expect(messages.dropFirst().allSatisfy { $0 == "not asked: the engine is gone" })
    }

    @Test(
        "A stop string spans two words, or is the most frequent letter",
        arguments: [
            ("One two three four.", ["o t", "e"]), ("Hello", ["l"]), ("", []), ("42", []), ("a b", ["a b", "a"]),
        ])
    func stopStrings(_ text: String, _ expected: [String]) {
        #expect(StopStrings.candidates(from: text) == expected)
    }
}
