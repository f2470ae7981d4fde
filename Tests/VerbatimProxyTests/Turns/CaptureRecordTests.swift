import Foundation
import TestSupport
import Testing
import VerbatimAPI
import VerbatimProxy
import VerbatimTesting
import VerbatimTrace

@Suite("Records hold what the engine sent, token by token", .onOwnThreads, .timeLimit(.minutes(10)))
struct CaptureRecordTests {
    struct Case: Sendable, CustomStringConvertible {
        let flavor: ScriptedChat.Flavor
        let request: CaptureRequest

        var description: String { "\(flavor): \(request)" }

        /// The tokens that such an engine reports; without text where it gives none.
        func tokens(_ reply: ScriptedReply) -> [ScriptedToken] {
            switch flavor {
            case .vllm: return reply.tokens
            case .llamacpp where !request.stream:
                return reply.steps.flatMap(\.tokens)
                    + (reply.stopToken.map { [ScriptedToken($0.id, "", $0.logprob)] } ?? [])
            case .llamacpp:
                return reply.steps.filter { step in
                    switch step.delta {
                    case .content, .reasoning, .arguments: true
                    case .swallowed, .toolCall: false
                    }
                }.flatMap(\.tokens)
            case .openai:
                return reply.steps.filter { if case .content = $0.delta { true } else { false } }.flatMap(\.tokens)
            }
        }
    }

    static let cases = ScriptedChat.Flavor.allCases.flatMap { flavor in
        (0..<16).map { bits in
            Case(
                flavor: flavor,
                request: CaptureRequest(
                    stream: bits & 1 == 1, tools: bits & 2 == 2, usage: bits & 5 == 5, n: bits & 8 == 8 ? 2 : 1))
        }
    }

    @Test("A record holds the tokens of the engine's script", arguments: cases) func tokensAreTheScripts(example: Case)
        async throws
    {
        let request = example.request
        try await CaptureProxy.run(CaptureScript.chat(example.flavor).serve) { proxy in
            _ = try await proxy.ask(request.body)
            let record = try #require(try proxy.records().first)
            let replies = CaptureScript.replies(to: request)
            try check(record, [], example.tokens(replies[0]), example)
            for index in 0..<2 {
                if request.n == 1 {
                    #expect(record["choices", String(index)] == nil)
                } else {
                    #expect(record["choices", String(index), "index"] == String(index))
                    try check(record, ["choices", String(index)], example.tokens(replies[index]), example)
                    let reason = replies[index].steps.contains { if case .toolCall = $0.delta { true } else { false } }
                    #expect(
                        try record.string("choices", String(index), "finish_reason") == (reason ? "tool_calls" : "stop")
                    )
                }
            }
            #expect(record["finish_reason"] == (request.tools ? #""tool_calls""# : #""stop""#))
            let prompt = request.tools ? "[1,3,5,7]" : "[1,3,5,7,9]"
            #expect(record["prompt_token_ids"] == (example.flavor == .vllm ? prompt : "null"))
            #expect((record["usage"] == "null") == (request.stream && !request.usage))
            if record["usage"] != "null", example.flavor != .llamacpp {
                let count = replies.reduce(0) { $0 + $1.tokens.count }
                #expect(record["usage", "completion_tokens"] == String(count))
            }
            #expect(
                record["engine"] == ["vllm": #""vllm""#, "llamacpp": #""llamacpp""#]["\(example.flavor)"]
                    ?? #""generic""#)
            #expect(record["dialect"] == #""chat.completions""# && record["path"] == #""/v1/chat/completions""#)
            #expect(record["stream"] == String(request.stream) && record["outcome"] == #""completed""#)
            #expect(record["model"] == #""mock/scripted-1""# && record["session_id"] == #""default""#)
            #expect(record["response_id"] == #""chatcmpl-b14c6a43b474aa41""#)
            #expect(record["schema"] == #""verbatim.turn/1""# && record["status"] == "200")
            try checkTimes(record, isStream: request.stream)
            try checkRequest(record, proxy)
        }
    }

    private func check(
        _ record: CaptureRecord, _ path: [String], _ tokens: [ScriptedToken], _ example: Case
    ) throws {
        func text(_ name: String) -> String? {
            path.isEmpty ? record[name] : record[path[0], path[1], name]
        }
        let texts = try JSONDecoder().decode([String].self, from: Data((text("completion_tokens") ?? "").utf8))
        #expect(texts == tokens.map(\.text), "\(example)")
        let ids = example.flavor == .openai ? [] : tokens.map { String($0.id) }
        #expect(text("completion_token_ids") == "[\(ids.joined(separator: ","))]", "\(example)")
        #expect(text("per_token_logps") == "[\(tokens.map(\.logprob).joined(separator: ","))]", "\(example)")
    }

    private func checkTimes(_ record: CaptureRecord, isStream: Bool) throws {
        let latency = try #require(record["latency_s"].flatMap(Double.init))
        let arrival = try #require(record["timestamp"].flatMap(Double.init))
        #expect(latency > 0 && latency < 60 && abs(arrival - Date().timeIntervalSince1970) < 60)
        if isStream {
            let first = try #require(record["ttft_s"].flatMap(Double.init))
            #expect(first >= 0 && first <= latency)
        }
    }

    /// The record holds the request as it was forwarded last.
    private func checkRequest(_ record: CaptureRecord, _ proxy: CaptureProxy) throws {
        let forwarded = try #require(proxy.forwarded.last)
        func object(_ text: String) throws -> NSDictionary? {
            try JSONSerialization.jsonObject(with: Data(text.utf8)) as? NSDictionary
        }
        #expect(try object(record["request"] ?? "{}") == object(forwarded))
    }

    // MARK: Requests

    @Test(
        "client_fields holds what the agent had sent",
        arguments: [
            (
                #""logprobs": null"#,
                #"{"logprobs":{"value":null},"top_logprobs":{"absent":true},"return_token_ids":{"absent":true}}"#
            ),
            (
                #""logprobs": false, "return_token_ids": false"#,
                #"{"logprobs":{"value":false},"top_logprobs":{"absent":true},"return_token_ids":{"value":false}}"#
            ),
            (#""log\u0070robs": true"#, #"{"return_token_ids":{"absent":true}}"#),
            (#""logprobs": true, "top_logprobs": 3, "return_token_ids": true"#, "{}"),
            (
                #""max_tokens": 7"#,
                #"{"logprobs":{"absent":true},"top_logprobs":{"absent":true},"return_token_ids":{"absent":true}}"#
            ),
        ])
    func clientFieldsHoldTheAgentsValues(more: String, expected: String) async throws {
        try await CaptureProxy.run(CaptureScript.chat(.vllm).serve) { proxy in
            let request = CaptureRequest(more: ", " + more)
            let response = try await proxy.ask(request.body)
            let direct = try await proxy.askDirectly(request.body)
            #expect(response.body == direct.body)
            let record = try #require(try proxy.records().first)
            #expect(record["client_fields"] == expected)
            // A request that needs no change is forwarded as it came.
            if expected == "{}" { #expect(proxy.forwarded[0] == request.body) }
            #expect(record.capture == "tokens complete")
        }
    }

    // MARK: Replies

    @Test("A whole reply is recorded as it was sent")
    func wholeReplyIsRecordedAsSent() async throws {
        let chat = CaptureScript.chat(.vllm)
        try await CaptureProxy.run(chat.serve) {
            $0.policy.detail = .full
        } _: { proxy in
            _ = try await proxy.ask(CaptureRequest(tools: true).body)
            let record = try #require(try proxy.records().first)
            guard case .whole(_, _, _, let body) = chat.answer(toBody: Array(proxy.forwarded[0].utf8)) else {
                Issue.record("no unary reply")
                return
            }
            // Without white space, and without anything that has to be escaped.
            #expect(record["response"] == body)
            #expect(record["logprobs"] == record["response", "choices", "0", "logprobs", "content"])
        }
    }

    @Test("The events of a stream are assembled to one reply", arguments: ScriptedChat.Flavor.allCases)
    func aStreamIsAssembled(flavor: ScriptedChat.Flavor) async throws {
        try await CaptureProxy.run(CaptureScript.chat(flavor).serve) {
            $0.policy.detail = .full
        } _: { proxy in
            let request = CaptureRequest(stream: true, tools: true, usage: true, n: 2)
            _ = try await proxy.ask(request.body)
            let record = try #require(try proxy.records().first)
            func choice(_ path: String...) throws -> Any? {
                let choices = try JSONSerialization.jsonObject(with: Data((record["response", "choices"] ?? "").utf8))
                return path.reduce(choices as Any?) { value, name in
                    if let list = value as? [Any], let index = Int(name) { return list[index] }
                    return (value as? [String: Any])?[name]
                }
            }
            let call = try #require(try choice("0", "message", "tool_calls", "0") as? [String: Any])
            #expect(call["id"] as? String == "chatcmpl-tool-a9a69afc24caabd5" && call["type"] as? String == "function")
            let function = try #require(call["function"] as? [String: String])
            #expect(function == ["name": "bash", "arguments": #"{"command": "ls -lS | head -3"}"#])
            #expect(try choice("1", "message", "content") as? String == "Grüße 😀\u{2028}\"\\/\n日本")
            #expect(try choice("1", "message", "role") as? String == "assistant")
            let reasoning = try [choice("1", "message", "reasoning"), choice("1", "message", "reasoning_content")]
            #expect(reasoning.compactMap { $0 as? String } == (flavor == .openai ? [] : ["Hm…"]))
            #expect(try choice("0", "finish_reason") as? String == "tool_calls")
            #expect(try choice("1", "finish_reason") as? String == "stop")
            #expect(record["response", "id"] == record["response_id"] && record["response", "model"] == record["model"])
            #expect(record["response", "created"] == "1795334100")
            #expect(record["response", "usage"] == record["usage"] && record["usage"] != "null")
            #expect(record["response", "system_fingerprint"] != nil)
            #expect(record["response", "object"] == #""chat.completion""#)
            #expect(record["logprobs"] == record["response", "choices", "0", "logprobs", "content"])
        }
    }

    @Test(
        "By default, a record has the entries in its own fields alone", arguments: ScriptedChat.Flavor.allCases,
        [(false, 1), (true, 1), (false, 2), (true, 2)])
    func entriesAreRecordedOnce(flavor: ScriptedChat.Flavor, form: (isStream: Bool, choices: Int)) async throws {
        for asksLogprobs in [false, true] {
            let request = CaptureRequest(
                stream: form.isStream, usage: true, n: form.choices, asksLogprobs: asksLogprobs)
            var once = try await record(of: request, flavor) { _ in }
            var full = try await record(of: request, flavor) { $0.policy.detail = .full }
            var lists = full["choices"] as? [[String: Any]] ?? []
            if lists.isEmpty { lists = [["index": 0, "logprobs": full["logprobs"] ?? NSNull()]] }
            var response = try #require(full["response"] as? [String: Any])
            var choices = try #require(response["choices"] as? [[String: Any]])
            for (place, choice) in choices.enumerated() {
                let entries = try #require((choice["logprobs"] as? [String: Any])?["content"] as? NSArray)
                let list = try #require(lists.first { $0["index"] as? Int == choice["index"] as? Int })
                #expect(entries.count > 1 && list["logprobs"] as? NSArray == entries)
                choices[place]["logprobs"] = NSNull()
            }
            response["choices"] = choices
            full["response"] = response
            for name in ["timestamp", "latency_s", "ttft_s"] { (once[name], full[name]) = (nil, nil) }
            #expect(once as NSDictionary == full as NSDictionary)
        }
    }

    @Test("Readers take records of every detail from one file", arguments: [false, true])
    func readersTakeEveryDetail(stream: Bool) async throws {
        var lines: [UInt8] = []
        for detail in TraceDetail.allCases {
            let session = #","session_id":"\#(detail.rawValue)""#
            let request = CaptureRequest(stream: stream, usage: true, n: 2, more: session)
            try await CaptureProxy.run(CaptureScript.chat(.vllm).serve) {
                $0.policy.detail = detail
            } _: { proxy in
                _ = try await proxy.ask(request.body)
                lines += try #require(try proxy.records().first).line + [UInt8(ascii: "\n")]
            }
        }
        let folder = try TemporaryFolder()
        let reader = TraceReader(path: folder.path("trace.jsonl"))
        try Data(lines).write(to: URL(fileURLWithPath: folder.path("trace.jsonl")))
        let turns = try reader.turns().turns
        #expect(turns.map(\.sessionID) == TraceDetail.allCases.map(\.rawValue))
        #expect(turns.allSatisfy { $0.choices == turns[0].choices && $0.isCaptureComplete })
        #expect(turns[0].choices.count == 2 && turns[0].completionTokenIDs.count > 1)
        var findings: [String] = []
        _ = try reader.check { findings.append($0.message) }
        #expect(findings == [])
    }

    private func record(
        of request: CaptureRequest, _ flavor: ScriptedChat.Flavor,
        _ configure: @escaping (inout ProxySettings) -> Void
    ) async throws -> [String: Any] {
        var found: [String: Any]?
        try await CaptureProxy.run(CaptureScript.chat(flavor).serve, configure) { proxy in
            _ = try await proxy.ask(request.body)
            let line = try #require(try proxy.records().first).line
            found = try JSONSerialization.jsonObject(with: Data(line)) as? [String: Any]
        }
        return try #require(found)
    }

    @Test("A compact record leaves the log-probability entries out", arguments: [false, true])
    func compactRecordsLeaveTheEntriesOut(stream: Bool) async throws {
        try await CaptureProxy.run(CaptureScript.chat(.vllm).serve) {
            $0.policy.detail = .compact
        } _: { proxy in
            let request = CaptureRequest(stream: stream, n: 2)
            let direct = try await proxy.askDirectly(request.body)
            #expect(try await proxy.ask(request.body).body == direct.body)
            let record = try #require(try proxy.records().first)
            #expect(record["logprobs"] == nil && record["response", "choices", "0", "logprobs"] == nil)
            #expect(record["response", "choices", "1", "logprobs"] == nil && record["choices", "1", "logprobs"] == nil)
            #expect(record["completion_token_ids"] == "[11,21,22,23,24,2]" && record.capture == "tokens complete")
        }
    }
}
