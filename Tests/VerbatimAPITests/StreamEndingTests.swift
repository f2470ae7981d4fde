import Foundation
import TestSupport
import Testing
import VerbatimAPI
import VerbatimJSON
import VerbatimSchema
import VerbatimTesting

/// Streams that are stopped before their engine ends them: what the agent gets is a whole reply.
@Suite struct StreamEndingTests {
    static let usage = EndingUsage(promptTokens: 7, completionTokens: 3)

    /// The agent has received a part of `stream` that ends between two events. Adds what ends it there.
    static func stopped<View: AgentView>(
        _ stream: String, _ reply: any ReplyTransform, as view: View.Type, expected: ExpectedReply,
        check: (_ events: Int, View, _ ending: [[UInt8]], StreamDriver) throws -> Void
    ) throws {
        var driver = StreamDriver(reply)
        var sent = view.init(of: expected)
        #expect(driver.reply.ending(for: expected, usage: usage) == .notBegun)
        let units = stream.components(separatedBy: "\n\n").filter { !$0.isEmpty }
        for (number, unit) in units.enumerated() {
            let known = driver.output.count
            driver.feed(Array((unit + "\n\n").utf8))
            for event in AgentEvent.all(in: String(decoding: driver.output[known...], as: UTF8.self)) {
                try sent.read(event)
            }
            switch driver.reply.ending(for: expected, usage: usage) {
            case .events(let ending):
                var whole = sent
                for event in AgentEvent.all(in: String(decoding: ending.joined(), as: UTF8.self)) {
                    try whole.read(event)
                }
                #expect(whole.isWhole, "after \(number + 1) events")
                #expect(whole.texts.filter { !$1.isEmpty } == sent.texts.filter { !$1.isEmpty })
                try check(number + 1, whole, ending, driver)
            case .notBegun: #expect(driver.output.isEmpty)
            case .none: #expect(number == units.count - 1 && sent.isWhole)
            }
        }
    }

    /// Reads what ends the stream with what captures the reply. It misses nothing.
    private func captured(_ ending: [[UInt8]], after driver: StreamDriver) -> Capture {
        var driver = driver
        for event in ending { driver.feed(event) }
        #expect(!driver.events.suffix(ending.count).dropLast().contains { !$0.isUntouched })
        #expect(driver.events.last?.isTerminal == true)
        return driver.reply.captured()
    }

    // MARK: Recorded streams, stopped at every event

    /// For several prompts llama.cpp sends lists of chunks, which no client reads.
    private static let completions = WireSample.choiceStreams.filter {
        !$0.echoesPrompt && !($0.name.contains("2prompts") && !$0.isVLLM)
    }

    @Test(arguments: completions, [true, false])
    func choices(sample: WireSample, isInjected: Bool) throws {
        let request = isInjected ? sample.plainRequest : sample.requestText
        let expected = try APIRegistry.request(to: sample.api, body: Array(request.utf8)).expectation
        let reply = isInjected ? try sample.injectedReply() : try sample.ownReply()
        try Self.stopped(sample.bodyText, reply, as: ChoicesView.self, expected: expected) { _, view, ending, driver in
            let begun = driver.reply.captured().choices
            let capture = captured(ending, after: driver)
            #expect(!capture.problems.contains("stream_not_terminated"))
            #expect(
                !capture.problems.contains("finish_reason_missing") && !capture.problems.contains("choices_missing"))
            for (index, reason) in view.reasons {
                let known = begun.first { $0.index == index }?.finishReason
                #expect(known.map { $0 == Array("\"\(reason)\"".utf8) } ?? (reason == "length"))
            }
        }
    }

    @Test(arguments: WireSample.messageStreams)
    func messages(sample: WireSample) throws {
        let expected = ExpectedReply(api: .messages, model: "m", isStream: true)
        let reply = try sample.messageReply()
        try Self.stopped(sample.bodyText, reply, as: MessageView.self, expected: expected) { _, view, ending, driver in
            let known = driver.reply.captured().choices.first?.finishReason.text ?? #""max_tokens""#
            #expect(view.reason.map { "\"\($0)\"" } == known)
            #expect(!captured(ending, after: driver).problems.contains("stream_not_terminated"))
        }
    }

    @Test(arguments: WireSample.responseStreams, [true, false])
    func responses(sample: WireSample, isInjected: Bool) throws {
        let expected = ExpectedReply(api: .responses, model: "m", isStream: true)
        let reply = isInjected ? try sample.injectedResponse() : try sample.ownResponse()
        try Self.stopped(sample.bodyText, reply, as: ResponseView.self, expected: expected) { _, view, ending, driver in
            #expect(view.response?["status"] as? String == "incomplete")
            #expect(view.response?["incomplete_details"] as? NSDictionary == ["reason": "max_output_tokens"])
            #expect((view.response?["usage"] as? [String: Any])?["total_tokens"] as? Int == 10)
            let capture = captured(ending, after: driver)
            #expect(!capture.problems.contains("stream_not_terminated"))
            #expect(capture.choices.first?.finishReason == Array(#""max_output_tokens""#.utf8))
        }
    }

    // MARK: Fixtures

    /// The official clients read these (`Tests/e2e/test_endings.py`): streams that are stopped after the first event
    /// of each kind.
    @Test func fixtures() throws {
        let names: [(set: String, name: String)] = [
            ("vllm", "chat_stream_include_usage"), ("vllm", "chat_stream_tools_required"),
            ("vllm-reasoning", "chat_stream_plain"), ("vllm", "chat_stream_n2_logprobs_tokenids"),
            ("llamacpp", "chat_stream_plain"), ("vllm", "completions_stream_include_usage"),
            ("vllm", "completions_stream_n2_promptids"), ("vllm", "responses_stream_logprobs"),
            ("vllm", "responses_stream_tools_required"), ("vllm-reasoning", "responses_stream_plain"),
            ("vllm", "messages_stream_plain"), ("vllm", "messages_stream_tools"),
            ("llamacpp-tools", "messages_stream_tools"), ("vllm-reasoning", "messages_stream_plain"),
        ]
        let replies = try names.flatMap { set, name in try Self.fixtures(try #require(WireSample.named(name, in: set)))
        }
        #expect(try EndingFixture.stored(in: "endings.jsonl", after: replies) == replies)
    }

    private static func fixtures(_ sample: WireSample) throws -> [EndingFixture] {
        let request = sample.api == .responses ? sample.requestText : sample.plainRequest
        let expected = try APIRegistry.request(to: sample.api, body: Array(request.utf8)).expectation
        let reply: any ReplyTransform =
            switch sample.api {
            case .chatCompletions, .completions: try sample.injectedReply()
            case .responses: try sample.injectedResponse()
            case .messages: try sample.messageReply()
            }
        var fixtures: [EndingFixture] = []
        var kinds: Set<String> = []
        func add(_ count: Int, _ kind: String, _ ending: [[UInt8]], _ driver: StreamDriver) {
            guard kinds.insert(kind).inserted else { return }
            fixtures.append(
                EndingFixture(
                    name: "\(sample) after \(count)", path: sample.request.path, request: request,
                    headers: ["Content-Type": "text/event-stream"],
                    body: driver.outputText + String(decoding: ending.joined(), as: UTF8.self)))
        }
        let events = AgentEvent.all(in: sample.bodyText)
        try stopped(sample.bodyText, reply, as: AnyView.self, expected: expected) { count, _, ending, driver in
            add(count, events[count - 1].kind, ending, driver)
        }
        return fixtures
    }

    // MARK: Single cases

    private func ending(_ exchange: Exchange, after events: [String]) throws -> String {
        let prepared = try exchange.request(#""stream":true"#)
        let fields = exchange.fields.isEmpty ? "" : "," + exchange.fields
        let request = try APIRegistry.request(to: exchange.api, body: Array(#"{"stream":true\#(fields)}"#.utf8))
        var driver = StreamDriver(prepared.reply)
        for event in events { driver.feed(Array("data: \(event)\n\n".utf8)) }
        guard case .events(let ending) = driver.reply.ending(for: request.expectation, usage: Self.usage) else {
            return ""
        }
        return String(decoding: ending.joined(), as: UTF8.self)
    }

    private static let chunk =
        #"{"id":"c","object":"chat.completion.chunk","created":1,"model":"m","system_fingerprint":"f","choices":"#

    @Test func aChatCompletionOfTwoChoices() throws {
        let exchange = Exchange(profile: .openAI, fields: #""n":3,"stream_options":{"include_usage":true}"#)
        let text = try ending(
            exchange,
            after: [
                Self.chunk + #"[{"index":0,"delta":{"role":"assistant","content":"A"},"finish_reason":null}]}"#,
                Self.chunk + #"[{"index":1,"delta":{"role":"assistant","content":"B"},"finish_reason":null}]}"#,
                Self.chunk + #"[{"index":0,"delta":{},"finish_reason":"stop"}]}"#,
            ])
        let head =
            #"data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"m","system_fingerprint":"f","#
        #expect(
            text == """
                \(head)"choices":[{"index":1,"delta":{},"logprobs":null,"finish_reason":"length"}]}

                \(head)"choices":[{"index":2,"delta":{"role":"assistant","content":""},"logprobs":null,\
                "finish_reason":"length"}]}

                \(head)"choices":[],"usage":{"prompt_tokens":7,"completion_tokens":3,"total_tokens":10}}

                data: [DONE]


                """)
    }

    @Test func aChatCompletionInTheMiddleOfAToolCall() throws {
        let text = try ending(
            Exchange(profile: .openAI),
            after: [
                #"{"choices":[{"index":0,"delta":{"role":"assistant","tool_calls":[{"index":0,"id":"c","type":"function","function":{"name":"f","arguments":"{\"a"}}]}}]}"#
            ])
        #expect(
            text
                == "data: {\"choices\":[{\"index\":0,\"delta\":{},\"logprobs\":null,\"finish_reason\":\"length\"}]}\n\ndata: [DONE]\n\n"
        )
    }

    @Test func aMessageInTheMiddleOfATool() throws {
        let text = try ending(
            Exchange(profile: .vllm, api: .messages),
            after: [
                #"{"type":"message_start","message":{"id":"m","content":[],"usage":{"input_tokens":1}}}"#,
                #"{"type":"content_block_start","index":0,"content_block":{"type":"thinking","thinking":""}}"#,
                #"{"type":"content_block_stop","index":0}"#,
                #"{"type":"content_block_start","index":1,"content_block":{"type":"tool_use","id":"t","name":"f","input":{}}}"#,
                #"{"type":"content_block_delta","index":1,"delta":{"type":"input_json_delta","partial_json":"{\"a"}}"#,
            ])
        #expect(
            text == """
                event: content_block_stop
                data: {"type":"content_block_stop","index":1}

                event: message_delta
                data: {"type":"message_delta","delta":{"stop_reason":"max_tokens","stop_sequence":null},\
                "usage":{"output_tokens":3}}

                event: message_stop
                data: {"type":"message_stop"}


                """)
    }

    @Test(arguments: [
        ("[]", #"{"index":0,"text":"","logprobs":null,"finish_reason":"length"}"#),
        (
            #"[{"index":0,"text":"a","finish_reason":null}]"#,
            #"{"index":0,"text":"","logprobs":null,"finish_reason":"length"}"#
        ),
    ])
    func aCompletion(choices: String, finish: String) throws {
        let text = try ending(
            Exchange(profile: .vllm, api: .completions), after: [#"{"id":"c","choices":\#(choices)}"#])
        #expect(text == "data: {\"id\":\"c\",\"choices\":[\(finish)]}\n\ndata: [DONE]\n\n")
    }

    private static let created = ResponseStreamTests.created

    @Test func aResponseWithOpenItemsOfAllKinds() throws {
        let text = try ending(
            Exchange(profile: .openAI, api: .responses),
            after: [
                Self.created,
                #"{"type":"response.output_item.added","sequence_number":1,"output_index":0,"item":{"id":"r","type":"reasoning","summary":[]}}"#,
                #"{"type":"response.reasoning_summary_part.added","sequence_number":2,"item_id":"r","output_index":0,"summary_index":0,"part":{"type":"summary_text","text":""}}"#,
                #"{"type":"response.reasoning_summary_text.delta","sequence_number":3,"item_id":"r","output_index":0,"summary_index":0,"delta":"S"}"#,
                #"{"type":"response.output_item.added","sequence_number":4,"output_index":1,"item":{"id":"f","type":"function_call","status":"in_progress","call_id":"c","name":"n","arguments":""}}"#,
                #"{"type":"response.function_call_arguments.delta","sequence_number":5,"item_id":"f","output_index":1,"delta":"{\"a"}"#,
                #"{"type":"response.output_item.added","sequence_number":6,"output_index":2,"item":{"id":"m","type":"message","status":"in_progress","role":"assistant","content":[]}}"#,
                #"{"type":"response.content_part.added","sequence_number":7,"item_id":"m","output_index":2,"content_index":0,"part":{"type":"refusal","refusal":""}}"#,
                #"{"type":"response.output_item.added","sequence_number":8,"output_index":3,"item":{"id":"i","type":"custom_tool_call","call_id":"d","name":"o","input":""}}"#,
                #"{"type":"response.custom_tool_call_input.delta","sequence_number":9,"item_id":"i","output_index":3,"delta":"ls"}"#,
            ])
        let items = [
            #"{"id":"r","type":"reasoning","summary":[{"type":"summary_text","text":"S"}]}"#,
            #"{"id":"f","type":"function_call","status":"incomplete","call_id":"c","name":"n","arguments":"{\"a"}"#,
            #"{"id":"m","type":"message","status":"incomplete","role":"assistant","content":[{"type":"refusal","refusal":""}]}"#,
            #"{"id":"i","type":"custom_tool_call","call_id":"d","name":"o","input":"ls"}"#,
        ]
        let usage =
            #"{"input_tokens":7,"input_tokens_details":{"cached_tokens":0},"output_tokens":3,"output_tokens_details":{"reasoning_tokens":0},"total_tokens":10}"#
        let events: [(type: String, members: String)] = [
            ("reasoning_summary_text.done", #""item_id":"r","output_index":0,"summary_index":0,"text":"S""#),
            (
                "reasoning_summary_part.done",
                #""item_id":"r","output_index":0,"summary_index":0,"part":{"type":"summary_text","text":"S"}"#
            ),
            ("output_item.done", #""output_index":0,"item":\#(items[0])"#),
            (
                "function_call_arguments.done",
                #""item_id":"f","output_index":1,"name":"n","arguments":"{\"a""#
            ),
            ("output_item.done", #""output_index":1,"item":\#(items[1])"#),
            ("refusal.done", #""item_id":"m","output_index":2,"content_index":0,"refusal":"""#),
            (
                "content_part.done",
                #""item_id":"m","output_index":2,"content_index":0,"part":{"type":"refusal","refusal":""}"#
            ),
            ("output_item.done", #""output_index":2,"item":\#(items[2])"#),
            ("custom_tool_call_input.done", #""item_id":"i","output_index":3,"input":"ls""#),
            ("output_item.done", #""output_index":3,"item":\#(items[3])"#),
            (
                "incomplete",
                #""response":{"id":"r","object":"response","model":"m","status":"incomplete","output":[\#(items.joined(separator: ","))],"usage":\#(usage),"incomplete_details":{"reason":"max_output_tokens"}}"#
            ),
        ]
        let expected = events.enumerated().map { number, event in
            let type = "response.\(event.type)"
            return "event: \(type)\ndata: {\"type\":\"\(type)\",\"sequence_number\":\(number + 10),\(event.members)}"
        }
        #expect(text.components(separatedBy: "\n\n").dropLast() == expected[...])
    }

    @Test func aStreamThatHasFailedIsNotMadeAReply() throws {
        for api in API.allCases {
            let text = try ending(Exchange(profile: .vllm, api: api), after: [#"{"error":{"message":"gone"}}"#])
            #expect(text.isEmpty)
        }
    }

    @Test func aWholeReplyHasNoOtherEnd() throws {
        for sample in WireSample.wholeChoices.prefix(3) {
            let reply = readWhole(try sample.ownReply(), sample.response.body).reply
            let expected = ExpectedReply(api: sample.api, model: "m")
            #expect(reply.ending(for: expected, usage: Self.usage) == .none)
        }
    }
}

/// Takes any event.
private struct AnyView: AgentView {
    init(of expected: ExpectedReply) {}
    mutating func read(_ event: AgentEvent) throws {}
    var isWhole: Bool { true }
    var texts: [Int: String] { [:] }
}

extension AgentEvent {
    /// Its name, or what of a choice it has.
    fileprivate var kind: String {
        if let name, name != "content_block_delta" && name != "content_block_start" { return name }
        let values = data.matches(
            of: /"(?:role|content|tool_calls|reasoning|reasoning_content|finish_reason|index|type)":[^,]/)
        return (name ?? "") + values.map { String($0.0) }.joined()
    }
}
