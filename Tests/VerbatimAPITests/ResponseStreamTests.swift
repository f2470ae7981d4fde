import TestSupport
import VerbatimSchema
import Foundation
import VerbatimJSON
import Testing
import VerbatimAPI
import VerbatimTesting

/// Synthetic streams of responses that end early, repeat events, or hold several items.
@Suite struct ResponseStreamTests {
    static let created =
        #"{"response":{"id":"r","object":"response","model":"m","status":"in_progress","output":[],"usage":null},"sequence_number":0,"type":"response.created"}"#

    static func delta(_ text: String, number: Int, item: Int = 0, part: Int = 0, value: String? = "-1.5") -> String {
        let entry = value.map { #"{"token":"\#(text)","logprob":\#($0),"top_logprobs":[]}"# } ?? ""
        return
            #"{"content_index":\#(part),"delta":"\#(text)","item_id":"i\#(item)","logprobs":[\#(entry)],"output_index":\#(item),"sequence_number":\#(number),"type":"response.output_text.delta"}"#
    }

    private func output(_ events: [String]) throws -> (json: String, capture: Capture) {
        let capture = StreamDriver.run(try injectedResponse(), responseStream([Self.created] + events)).reply.captured()
        let response = try #require(decoded(capture.response.bytes) as? NSDictionary)
        #expect(response["id"] as? String == "r" && response["output"] is [Any])
        let text = capture.responseText
        let start = try #require(text.range(of: #""output":"#)?.upperBound)
        return (String(text[start...].dropLast(#","usage":null}"#.count)), capture)
    }

    // MARK: Cut off

    @Test func streamCutOffInAText() throws {
        let (json, capture) = try output([
            #"{"item":{"id":"i0","content":[],"role":"assistant","status":"in_progress","type":"message"},"output_index":0,"sequence_number":1,"type":"response.output_item.added"}"#,
            Self.delta(#"H\u00e9"#, number: 2), Self.delta(#"\ud83d"#, number: 3), Self.delta(#"\ude00\n"#, number: 4),
        ])
        #expect(
            json
                == #"[{"id":"i0","content":[{"type":"output_text","text":"H\u00e9\ud83d\ude00\n"}],"role":"assistant","status":"in_progress","type":"message"}]"#
        )
        #expect(capture.choices.first?.tokens.count == 3 && capture.choices.first?.finishReason == nil)
        #expect(capture.level == .logprobs && capture.problems == ["stream_not_terminated"])
    }

    @Test(arguments: [
        (
            "reasoning_text", #"{"id":"i0","type":"reasoning","summary":[],"content":null}"#,
            #"{"id":"i0","type":"reasoning","summary":[],"content":[{"type":"reasoning_text","text":"ab"}]}"#
        ),
        (
            "reasoning_summary_text", #"{"id":"i0","type":"reasoning","summary":[]}"#,
            #"{"id":"i0","type":"reasoning","summary":[{"type":"summary_text","text":"ab"}]}"#
        ),
        (
            "function_call_arguments", #"{"arguments":"","call_id":"c","name":"f","type":"function_call","id":"i0"}"#,
            #"{"arguments":"ab","call_id":"c","name":"f","type":"function_call","id":"i0"}"#
        ),
        (
            "custom_tool_call_input", #"{"id":"i0","type":"custom_tool_call","name":"f"}"#,
            #"{"id":"i0","type":"custom_tool_call","name":"f","input":"ab"}"#
        ),
        (
            "refusal", #"{"id":"i0","type":"message","content":[]}"#,
            #"{"id":"i0","type":"message","content":[{"type":"refusal","refusal":"ab"}]}"#
        ),
    ])
    func streamCutOffInAnotherPiece(kind: String, added: String, expected: String) throws {
        for index in [#""output_index":0,"#, ""] {
            let (json, capture) = try output(
                [#"{"item":\#(added),\#(index)"type":"response.output_item.added"}"#]
                    + ["a", "b"].map { #"{"delta":"\#($0)","item_id":"i0",\#(index)"type":"response.\#(kind).delta"}"# }
            )
            #expect(json == "[\(expected)]")
            #expect(capture.level == .text && capture.choices.first?.tokens.isEmpty == true)
        }
    }

    @Test func streamCutOffBetweenItems() throws {
        let done =
            #"{"id":"i0","type":"message","content":[{"type":"output_text","text":"x","logprobs":[{"token":"x"}]}]}"#
        let events = [
            Self.delta("b", number: 1, item: 1, part: 1), Self.delta("a", number: 2, item: 1),
            #"{"item":\#(done),"output_index":0,"sequence_number":3,"type":"response.output_item.done"}"#,
            // A finished item is not changed.
            Self.delta("late", number: 4, item: 0), Self.delta("A", number: 5, item: 1),
        ]
        let unannounced =
            #"{"id":"i1","type":"message","content":[{"type":"output_text","text":"aA"},{"type":"output_text","text":"b"}]}"#
        #expect(try output(events).json == "[\(done),\(unannounced)]")

        let compact = StreamDriver.run(
            try injectedResponse { $0.detail = .compact }, responseStream([Self.created] + events))
        #expect(compact.reply.captured().responseText.contains(#"[{"type":"output_text","text":"x"}]"#))
    }

    @Test func streamCutOffBeforeAnyItem() throws {
        let capture = StreamDriver.run(try injectedResponse(), "").reply.captured()
        #expect(capture.responseText == #"{"object":"response","output":[]}"#)
        #expect(capture.level == .none && capture.choices.isEmpty && capture.problems == ["stream_not_terminated"])
        let begun = StreamDriver.run(try injectedResponse(), responseStream([Self.created]))
        #expect(!begun.reply.hasOutput && begun.reply.captured().choices.count == 1)
        let started = StreamDriver.run(
            try injectedResponse(), responseStream([Self.created, Self.delta("", number: 1, value: nil)]))
        #expect(!started.reply.hasOutput)
        let speaking = StreamDriver.run(
            try injectedResponse(), responseStream([Self.created, Self.delta("a", number: 1, value: nil)]))
        #expect(speaking.reply.hasOutput)
    }

    // MARK: Errors

    @Test(arguments: [
        (
            #"{"type":"error","code":"ERR","message":"boom","param":null,"sequence_number":3}"#,
            #"{"type":"error","code":"ERR","message":"boom","param":null,"sequence_number":3}"#, "null"
        ),
        (#"{"type":"error","error":{"message":"boom","code":500}}"#, #"{"message":"boom","code":500}"#, "500"),
        (#"{"error":{"message":"boom","code":"x"}}"#, #"{"message":"boom","code":"x"}"#, "null"),
    ])
    func errorEventIsReported(event: String, expected: String, status: String) throws {
        let stream = responseStream([Self.created, Self.delta("a", number: 1), event])
        let driver = StreamDriver.run(try injectedResponse(), stream)
        #expect(driver.errors == [expected] && driver.events.last?.isUntouched == true)
        #expect(driver.outputText.hasSuffix("data: \(event)\n\n"))
        let capture = driver.reply.captured()
        #expect(capture.problems == [] && !capture.isComplete && capture.level == .logprobs)
        #expect(capture.responseText.hasSuffix(#","upstream_status":\#(status),"upstream_error":\#(expected)}"#))
        #expect(capture.responseText.contains(#""output":[{"id":"i0","type":"message","content":"#))
        // vLLM ends a failed stream in this way.
        let ended = StreamDriver.run(try injectedResponse(), stream + "data: [DONE]\n\n")
        #expect(ended.events.last?.isTerminal == true && !ended.reply.captured().isComplete)
    }

    // MARK: Repetitions

    static let final =
        #"{"response":{"id":"r","object":"response","model":"m","status":"completed","output":[],"usage":{"output_tokens":3}},"sequence_number":9,"type":"response.completed"}"#

    @Test func repeatedEventIsCapturedOnce() throws {
        let events = [
            Self.created, Self.delta("a", number: 1), Self.delta("b", number: 2), Self.delta("b", number: 2),
            Self.delta("a", number: 1), Self.delta("b", number: 4), Self.delta("c", number: 3), Self.final, Self.final,
        ]
        let driver = StreamDriver.run(try injectedResponse(), responseStream(events))
        let plain = events.map { $0.replacing(/"logprobs":\[\{[^\]]*\]\}\]/, with: #""logprobs":[]"#) }
        #expect(driver.outputText == responseStream(plain))
        #expect(driver.events.suffix(2).allSatisfy { $0.isTerminal })
        let capture = driver.reply.captured()
        #expect(capture.choices.first?.tokensText == #""a","b","b","c""#)
        #expect(capture.problems.contains("duplicate_event") && !capture.isComplete)
    }

    /// A server that gives all events the same number does not repeat them.
    @Test(arguments: ["0", "-1", "null", #""x""#])
    func equalNumbersAreNoRepetitions(number: String) throws {
        let events = [
            Self.created, Self.created.replacing("created", with: "in_progress"), Self.delta("a", number: 1),
            Self.delta("a", number: 2, value: "-2.25"), Self.delta("b", number: 3), Self.final,
        ].map { $0.replacing(/"sequence_number":\d+/, with: #""sequence_number":\#(number)"#) }
        let capture = StreamDriver.run(try injectedResponse(), responseStream(events)).reply.captured()
        #expect(capture.choices.first?.valuesText == "-1.5,-2.25,-1.5" && capture.isComplete)
    }

    /// Log-probabilities of the final response count only if no delta had any.
    @Test func entriesOfTheFinalResponseAreUsedWithoutDeltas() throws {
        let entries = #"[{"token":"a","logprob":-1},{"token":"b","logprob":-2},{"token":"c","logprob":-3}]"#
        let final = Self.final.replacing(
            #""output":[]"#, with: #""output":[{"type":"message","content":[{"text":"abc","logprobs":\#(entries)}]}]"#)
        let silent = StreamDriver.run(
            try injectedResponse(), responseStream([Self.created, Self.delta("abc", number: 1, value: nil), final]))
        #expect(silent.reply.captured().choices.first?.valuesText == "-1,-2,-3")
        #expect(silent.reply.captured().isComplete && silent.reply.hasOutput)
        let spoken = StreamDriver.run(
            try injectedResponse(), responseStream([Self.created, Self.delta("abc", number: 1), final]))
        #expect(spoken.reply.captured().choices.first?.valuesText == "-1.5")
        #expect(spoken.reply.captured().problems == ["token_count_mismatch"])
    }

    // MARK: Odd events

    @Test func unknownAndOddEventsPass() throws {
        let events = [
            #"{"type":"response.web_search_call.searching","output_index":0,"item_id":"ws_1","sequence_number":1}"#,
            #"{"type":"response.output_text.delta"}"#,
            #"{"type":"response.output_text.delta","delta":7,"logprobs":null}"#,
            #"{"type":"response.output_item.added","item":null}"#, #"{"type":"response.content_part.done","part":[]}"#,
            #"{"type":"response.created","response":null}"#, #"{"type":7}"#, "[]", "null", #""x""#, "{}",
            #"{"type":"keepalive","sequence_number":3}"#, #"{"type":"response.output_item.done","item":{"content":7}}"#,
        ]
        let stream = responseStream(events)
        let driver = StreamDriver.run(try injectedResponse(), stream)
        #expect(driver.outputText == stream && driver.events.allSatisfy { $0.isUntouched })
        _ = try decoded(driver.reply.captured().response.bytes)
    }

    /// The terminal event is recognized wherever its type is, also in a stream that is no longer read.
    @Test(arguments: ["completed", "incomplete", "failed"])
    func terminalEventsAreRecognizedByType(status: String) throws {
        let reply = try injectedResponse()
        let nested = #"{"response":{"type":"x","output":[{"type":"response.created"}]},"type":"response.\#(status)"}"#
        let first = #"{"type":"response.\#(status)","response":{}}"#
        for event in [nested, first] {
            let isTerminal = reply.isTerminal(event: Array("event: x\ndata: \(event)\n\n".utf8).span)
            #expect(isTerminal)
            #expect(StreamDriver.run(reply, responseStream([event])).events.last?.isTerminal == true)
        }
        let other = #"{"response":{"type":"response.completed"},"type":"response.in_progress"}"#
        for event in [other, "{", "[1]", #"{"x":{"type":"response.failed"}}"#] {
            let isTerminal = reply.isTerminal(event: Array("data: \(event)\n\n".utf8).span)
            #expect(!isTerminal)
        }
    }
}
