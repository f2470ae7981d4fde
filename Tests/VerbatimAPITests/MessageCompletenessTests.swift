import TestSupport
import Testing
import VerbatimAPI
import VerbatimJSON
import VerbatimSchema
import VerbatimTesting

/// A message is complete only if it ended as the API requires, with a reason and with content.
@Suite struct MessageCompletenessTests {
    private typealias Documented = MessageStreamTests

    private static let hello = [
        Documented.start, Documented.block(0, #"{"type":"text","text":""}"#), Documented.text(0, "Hi"),
        Documented.blockStop(0),
    ]

    private func capture(_ events: [String], _ goal: CaptureGoal = .text, done: Bool = false) throws -> Capture {
        let stream = messageStream(events) + (done ? "data: [DONE]\n\n" : "")
        let driver = StreamDriver.run(try messageReply(goal), stream)
        #expect(driver.outputText == stream)
        let capture = driver.reply.captured()
        _ = try decoded(capture.response.bytes)
        return capture
    }

    @Test func aMessageThatEndedIsComplete() throws {
        let events = Self.hello + [Documented.end("end_turn"), Documented.stop]
        #expect(try capture(events).isComplete && capture(events, done: true).isComplete)
    }

    /// Gateways that translate chat completions end with `[DONE]`, which says nothing in this API.
    @Test(arguments: [true, false])
    func aStreamWithoutItsStopIsIncomplete(done: Bool) throws {
        let ended = try capture(Self.hello + [Documented.end("end_turn")], done: done)
        #expect(ended.problems == ["stream_not_terminated"] && !ended.isComplete)
        #expect(ended.choices.first?.finishReason.text == #""end_turn""#)
        #expect(try capture(Self.hello, done: done).problems == ["stream_not_terminated"])
    }

    @Test(arguments: [
        [String](), [#"{"type":"message_delta","delta":{"stop_reason":null},"usage":{"output_tokens":1}}"#],
        [#"{"type":"message_delta","delta":{"stop_reason":""},"usage":{"output_tokens":1}}"#],
        [#"{"type":"message_delta","usage":{"output_tokens":1}}"#],
    ])
    func aMessageWithoutAStopReasonIsIncomplete(ends: [String]) throws {
        let capture = try capture(Self.hello + ends + [Documented.stop])
        #expect(capture.problems == ["finish_reason_missing"] && !capture.isComplete)
    }

    @Test func aMessageWithoutContentIsCompleteOnlyIfNothingWasGenerated() throws {
        let end = [Documented.end("end_turn"), Documented.stop]
        #expect(try capture([Documented.start] + end).problems == ["choices_missing"])
        #expect(try capture([Documented.stop]).problems == ["choices_missing"])
        #expect(try capture([#"{"type":"ping"}"#], done: true).problems == ["stream_not_terminated"])
        #expect(try capture([Documented.start, Documented.end("end_turn", tokens: 0), Documented.stop]).isComplete)
        // A block may be empty.
        let block = Documented.block(0, #"{"type":"text","text":""}"#)
        #expect(try capture([Documented.start, block] + end).isComplete)
        #expect(try capture([Documented.start] + end, .tokens).problems == ["no_token_data"])
    }

    @Test(arguments: [
        (#""content":[{"type":"text","text":"a"}],"stop_reason":"end_turn""#, [ProblemCode]()),
        (#""stop_reason":null,"usage":{}"#, [.finishReasonMissing, .choicesMissing]),
        (#""content":[{"type":"text","text":"a"}],"stop_reason":null"#, [.finishReasonMissing]),
        (#""content":[{"type":"text","text":"a"}]"#, [.finishReasonMissing]),
        (#""content":[],"stop_reason":"end_turn""#, [.choicesMissing]),
        (#""content":[],"stop_reason":"end_turn","usage":{"output_tokens":3}"#, [.choicesMissing]),
        (#""content":[],"stop_reason":"end_turn","usage":{"output_tokens":0}"#, []),
        (#""stop_reason":"end_turn""#, [.choicesMissing]),
    ])
    func wholeMessages(members: String, problems: [ProblemCode]) throws {
        let body = #"{"type":"message",\#(members)}"#
        let capture = readWhole(try messageReply(), Array(body.utf8)).reply.captured()
        #expect(capture.problems == problems && capture.isComplete == problems.isEmpty)
    }

    /// The SDKs take the last signature of a thinking block, and append citations.
    @Test func blocksGrowAsInTheSDKs() throws {
        let events = [
            Documented.start, Documented.block(0, #"{"type":"thinking","thinking":"a","signature":""}"#),
            Documented.delta(0, #"{"type":"thinking_delta","thinking":"b"}"#),
            Documented.delta(0, #"{"type":"signature_delta","signature":"c2ln"}"#),
            Documented.delta(0, #"{"type":"signature_delta","signature":"bmV3"}"#),
            Documented.block(1, #"{"type":"server_tool_use","id":"s","name":"web_search","input":{}}"#),
            Documented.input(1, #"{\"q\":"#), Documented.input(1, #"\"x\"}"#),
            Documented.block(2, #"{"type":"mcp_tool_use","id":"m","name":"n","server_name":"v","input":{}}"#),
            Documented.input(2, "{}"),
            Documented.block(3, #"{"type":"text","text":"see ","citations":[{"n":1}]}"#),
            Documented.delta(3, #"{"type":"citations_delta","citation":{"n":2}}"#), Documented.text(3, "it"),
            Documented.end("end_turn"), Documented.stop,
        ]
        let capture = try capture(events)
        let expected =
            #""content":[{"type":"thinking","thinking":"ab","signature":"bmV3"},"#
            + #"{"type":"server_tool_use","id":"s","name":"web_search","input":{"q":"x"}},"#
            + #"{"type":"mcp_tool_use","id":"m","name":"n","server_name":"v","input":{}},"#
            + #"{"type":"text","text":"see it","citations":[{"n":1},{"n":2}]}]"#
        #expect(capture.isComplete && capture.responseText.contains(expected))
    }

    @Test func aFallbackNamesTheModelThatAnswers() throws {
        let block = #"{"type":"fallback","from":{"model":"m"},"to":{"model":"n"}}"#
        let events = [Documented.start, Documented.block(0, block), Documented.end("end_turn"), Documented.stop]
        let capture = try capture(events)
        #expect(
            capture.isComplete && capture.model.text == #""n""#
                && capture.responseText.contains(#""model":"n","content""#))
    }
}
