import TestSupport
import Testing
import VerbatimAPI
import VerbatimJSON
import VerbatimProxy
import VerbatimTesting

@Suite("How the proxy changes a captured request", .onOwnThreads, .timeLimit(.minutes(10)))
struct CaptureRequestTests {
    struct Case: Sendable, CustomStringConvertible {
        let name: String
        let policy: @Sendable (inout RequestPolicy) -> Void
        let body: String
        /// The forwarded body without the injection.
        let forwarded: String
        /// `client_fields` without the injection.
        var fields = "{}"

        var description: String { name }
    }

    private static func text(_ json: String) -> [UInt8] { Array(json.utf8) }

    static let cases: [Case] = [
        Case(
            name: "nothing to do", policy: { _ in }, body: " {\"model\" : \"m\",\n\"temperature\":1.0e0 }\n",
            forwarded: " {\"model\" : \"m\",\n\"temperature\":1.0e0 }\n"),
        Case(
            name: "sampling", policy: { $0.sampling = [("temperature", text("1.0")), ("top_p", text("0.95"))] },
            body: #"{"temperature": 0, "model": "m", "seed": 12345678901234567890}"#,
            forwarded: #"{"temperature": 1.0, "model": "m", "seed": 12345678901234567890,"top_p":0.95}"#,
            fields: #"{"temperature":{"value":0},"top_p":{"absent":true}}"#),
        Case(
            name: "sampling that changes nothing", policy: { $0.sampling = [("temperature", text("0"))] },
            body: #"{"temperature": 0}"#, forwarded: #"{"temperature": 0}"#),
        Case(
            name: "sampling, then the cap",
            policy: { ($0.sampling, $0.maxTokensCap) = ([("max_tokens", text("900"))], 64) },
            body: #"{"max_tokens": 5}"#, forwarded: #"{"max_tokens": 64}"#, fields: #"{"max_tokens":{"value":5}}"#),
        Case(
            name: "the cap on both fields", policy: { $0.maxTokensCap = 64 },
            body: #"{"max_tokens": 65, "max_completion_tokens": 1e3}"#,
            forwarded: #"{"max_tokens": 64, "max_completion_tokens": 64}"#,
            fields: #"{"max_tokens":{"value":65},"max_completion_tokens":{"value":1e3}}"#),
        Case(
            name: "below the cap", policy: { $0.maxTokensCap = 64 }, body: #"{"max_tokens": 64}"#,
            forwarded: #"{"max_tokens": 64}"#),
        Case(
            name: "the cap where there is no limit", policy: { $0.maxTokensCap = 64 }, body: #"{"max_tokens": null}"#,
            forwarded: #"{"max_tokens": 64}"#, fields: #"{"max_tokens":{"value":null}}"#),
        Case(
            name: "translation", policy: { _ in }, body: #"{"model": "openai/gpt-5-mini", "max_tokens": 7}"#,
            forwarded: #"{"model": "openai/gpt-5-mini","max_completion_tokens":7}"#,
            fields: #"{"max_tokens":{"value":7},"max_completion_tokens":{"absent":true}}"#),
        Case(
            name: "override, then translation and cap",
            policy: { ($0.modelOverride, $0.maxTokensCap) = ("o3-mini", 5) },
            body: #"{"model": "local \"x\"", "max_tokens": 7}"#,
            forwarded: #"{"model": "o3-mini","max_completion_tokens":5}"#,
            fields:
                #"{"model":{"value":"local \"x\""},"max_tokens":{"value":7},"max_completion_tokens":{"absent":true}}"#),
        Case(
            name: "no translation", policy: { $0.modelOverride = "qwen" }, body: #"{"model": "o1", "max_tokens": 7}"#,
            forwarded: #"{"model": "qwen", "max_tokens": 7}"#, fields: #"{"model":{"value":"o1"}}"#),
        Case(
            name: "no thinking", policy: { $0.disablesThinking = true },
            body: #"{"chat_template_kwargs": {"a": [1, 2]}, "b": 1}"#,
            forwarded: #"{"chat_template_kwargs": {"a": [1, 2],"enable_thinking":false}, "b": 1}"#,
            fields: #"{"chat_template_kwargs.enable_thinking":{"absent":true}}"#),
        Case(
            name: "no thinking, nothing there", policy: { $0.disablesThinking = true }, body: #"{"b": 1}"#,
            forwarded: #"{"b": 1,"chat_template_kwargs":{"enable_thinking":false}}"#,
            fields: #"{"chat_template_kwargs.enable_thinking":{"absent":true}}"#),
        Case(
            name: "thinking as the agent set it", policy: { $0.disablesThinking = true },
            body: #"{"chat_template_kwargs": {"enable_thinking": true}}"#,
            forwarded: #"{"chat_template_kwargs": {"enable_thinking": true}}"#),
        Case(
            name: "left for the engine to refuse", policy: { $0.disablesThinking = true },
            body: #"{"chat_template_kwargs": "x"}"#, forwarded: #"{"chat_template_kwargs": "x"}"#),
    ]

    @Test("The body gets the injections of the policy, and no other change", arguments: cases) func bodyGetsInjections(
        example: Case
    ) async throws {
        try await CaptureProxy.run(CaptureScript.chat(.vllm).serve) {
            $0.policy.goal = .text
            example.policy(&$0.policy)
        } _: { proxy in
            let response = try await proxy.ask(example.body)
            #expect(response.status == 200)
            #expect(proxy.forwarded == [example.forwarded])
            #expect(proxy.engine.requests[0].header("content-length") == String(example.forwarded.utf8.count))
            let record = try #require(try proxy.records().first)
            #expect(record["client_fields"] == example.fields && record.capture == "text complete")
        }
        // With capture the injection is added; without capture nothing changes.
        try await CaptureProxy.run(CaptureScript.chat(.vllm).serve) {
            example.policy(&$0.policy)
        } _: { proxy in
            // Nothing is injected into a request without messages.
            func withMessages(_ body: String) -> String {
                let start = body.firstIndex(of: "{").map { body.index(after: $0) } ?? body.startIndex
                let separator = body[start...].contains("\"") ? "," : ""
                return body[..<start] + #""messages":[]"# + separator + body[start...]
            }
            _ = try await proxy.ask(withMessages(example.body))
            let forwarded = try #require(proxy.forwarded.first)
            let injected = #","logprobs":true,"top_logprobs":5,"return_token_ids":true"#
            #expect(forwarded.replacing(injected, with: "") == withMessages(example.forwarded))
            #expect(forwarded.contains(injected))
        }
        try await CaptureProxy.run(CaptureScript.chat(.vllm).serve) {
            $0.policy.goal = .off
            example.policy(&$0.policy)
        } _: { proxy in
            _ = try await proxy.ask(example.body)
            #expect(proxy.forwarded == [example.body])
        }
    }

    @Test(
        "top_logprobs without logprobs is left for the engine to refuse", arguments: ScriptedChat.Flavor.allCases,
        ["", #", "logprobs": false"#])
    func topLogprobsWithoutLogprobsIsLeftToTheEngine(flavor: ScriptedChat.Flavor, more: String) async throws {
        try await CaptureProxy.run(CaptureScript.chat(flavor).serve) { proxy in
            for stream in [false, true] {
                let request = CaptureRequest(stream: stream, more: #", "top_logprobs": 3"# + more)
                let direct = try await proxy.askDirectly(request.body)
                #expect(direct.status == 400)
                expectSame(try await proxy.ask(request.body), direct, inChunks: false, "\(flavor)")
                #expect(proxy.forwarded.last == request.body)
            }
            #expect(proxy.forwarded.count == 4)
            for record in try proxy.records() {
                #expect(record["outcome"] == #""upstream_error""# && record["client_fields"] == "{}")
            }
        }
    }

    // MARK: Invalid requests

    static let faulty: [[UInt8]] =
        [
            "", " ", "{", "[1]", "null", "\"a\"", "{} x", #"{"a":1,}"#, #"{"a":01}"#, "{\"a\":\"\n\"}", "{'a':1}",
            "hello",
        ]
        .map { Array($0.utf8) } + [
            Array(#"{"model":"a"#.utf8) + [0xFF] + Array(#""}"#.utf8), [0xC3], Array("{\"\u{e9}\":1}".utf8.dropLast(6)),
        ]

    @Test("A body that is not a JSON object is refused")
    func bodyThatIsNotAJSONObjectIsRefused() async throws {
        try await CaptureProxy.run(CaptureScript.chat(.vllm).serve) { proxy in
            let agent = try await RawAgent.connect(port: proxy.server.port)
            for body in Self.faulty {
                try await agent.send(
                    requestBytes("POST", path: CaptureProxy.path, headers: CaptureProxy.headers, body: body))
                let response = try await agent.readResponse()
                let comment: Comment = "\(String(decoding: body, as: UTF8.self))"
                #expect(response.status == 400 && response.reason == "Bad Request", comment)
                #expect(response.header("Content-Type") == "application/json", comment)
                let error = CaptureRecord(line: response.body)
                #expect(
                    error["error", "type"] == #""invalid_request_error""# && error["error", "message"] != nil, comment)
                #expect(error["error", "param"] == "null" && error["error", "code"] != nil, comment)
            }
            #expect(proxy.forwarded.isEmpty)
            // None of them has taken a turn number, and the connection stays open.
            let body = Array(CaptureRequest().body.utf8)
            try await agent.send(
                requestBytes("POST", path: CaptureProxy.path, headers: CaptureProxy.headers, body: body))
            #expect(try await agent.readResponse().status == 200)
            await agent.close()
            #expect(try proxy.records().map { $0["turn"] } == ["1"])
        }
    }
}
