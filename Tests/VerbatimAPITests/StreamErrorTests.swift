import TestSupport
import VerbatimSchema
import Foundation
import VerbatimJSON
import Testing
import VerbatimAPI
import VerbatimTesting

/// Errors in a stream, and invalid events.
@Suite struct StreamErrorTests {
    static let token =
        #"{"choices":[{"index":0,"delta":{"content":"a"},"logprobs":{"content":[{"token":"a","logprob":-1}]},"token_ids":[1],"finish_reason":"stop"}]}"#
    static let error = #"{"error":{"message":"boom","type":"InternalServerError","param":null,"code":500}}"#

    @Test func errorMayComeFirst() throws {
        let driver = StreamDriver.run(try injectedReply(), events: [Self.error])
        #expect(driver.outputText == "data: \(Self.error)\n\ndata: [DONE]\n\n")
        #expect(driver.errors == [#"{"message":"boom","type":"InternalServerError","param":null,"code":500}"#])
        #expect(!driver.reply.hasOutput)
        let capture = driver.reply.captured()
        #expect(!capture.isComplete && capture.level == .none)
        #expect(capture.problems == [])
        #expect(capture.responseText.contains(#""upstream_error":{"message":"boom""#))
    }

    @Test(arguments: [true, false])
    func errorMayComeInTheMiddle(isTerminated: Bool) throws {
        var stream = "data: \(Self.token)\n\ndata: \(Self.token)\n\ndata: \(Self.error)\n\n"
        if isTerminated { stream += "data: [DONE]\n\n" }
        let driver = StreamDriver.run(try injectedReply(), stream)
        let capture = driver.reply.captured()
        #expect(driver.errors.count == 1)
        #expect(capture.choices.first?.idsText == "1,1" && capture.level == .tokens)
        #expect(capture.problems == [] && !capture.isComplete)
        #expect(driver.outputText.contains("data: \(Self.error)\n\n"))
    }

    @Test func errorIsReportedOnce() throws {
        let driver = StreamDriver.run(try injectedReply(), events: [Self.error, Self.token])
        #expect(driver.errors.count == 1)
        #expect(driver.reply.error == nil)
    }

    @Test(arguments: [
        (#"{"error":"text"}"#, #""text""#), (#"{"error":{"a" : 1},"choices":[]}"#, #"{"a":1}"#),
        (#"{"error":true}"#, "true"),
        (
            #"{"choices":[{"index":0,"delta":{"content":""},"finish_reason":"error"}],"error":{"code":502}}"#,
            #"{"code":502}"#
        ),
        (#"{"error":[1]}"#, "[1]"), (#"{"error":7}"#, "7"), (#"{"\u0065rror":"x"}"#, #""x""#),
    ])
    func errorsAreReported(event: String, expected: String) throws {
        let driver = StreamDriver.run(try injectedReply(), events: [event])
        #expect(driver.errors == [expected])
        #expect(driver.events.first?.isUntouched == true)
        #expect(!driver.reply.captured().isComplete)
    }

    /// Clients ignore an error with a false value.
    @Test(arguments: ["null", "false", #""""#, "{}", "[]", "0", "{ }"])
    func falseErrorValuesAreIgnored(value: String) throws {
        let driver = StreamDriver.run(
            try injectedReply(), events: [String(Self.token.dropLast()) + #","error":\#(value)}"#])
        #expect(driver.errors.isEmpty)
        #expect(driver.reply.captured().isComplete)
    }

    @Test func bodyMayHoldAnError() throws {
        let body = #"{"error":"Unexpected endpoint or method. (POST /v1/chat/completions)"}"#
        let read = readWhole(try injectedReply(), Array(body.utf8))
        #expect(read.output == Array(body.utf8))
        #expect(read.reply.error.text == #""Unexpected endpoint or method. (POST /v1/chat/completions)""#)
        let capture = read.reply.captured()
        #expect(!capture.isComplete && capture.level == .none)
        #expect(capture.responseText == body)
    }

    @Test func streamThatEndsEarlyIsMarked() throws {
        let capture = StreamDriver.run(try injectedReply(), "data: \(Self.token)\n\n").reply.captured()
        #expect(capture.problems == ["stream_not_terminated"] && !capture.isComplete && capture.level == .tokens)
        let empty = StreamDriver.run(try injectedReply(), "").reply.captured()
        #expect(empty.problems == ["stream_not_terminated"] && empty.level == .none)
        _ = try decoded(empty.response.bytes)
    }

    // MARK: Events that cannot be read

    /// Nothing of an invalid event is captured, so that later tokens stay aligned.
    @Test func invalidEventIsNotCaptured() throws {
        let whole = Self.token
        for length in 1..<whole.utf8.count {
            let broken = String(decoding: Array(whole.utf8)[..<length], as: UTF8.self)
            let driver = StreamDriver.run(try injectedReply(), events: [whole, broken, whole])
            let capture = driver.reply.captured()
            let choice = try #require(capture.choices.first)
            #expect(choice.idsText == "1,1" && choice.valuesText == "-1,-1" && choice.tokensText == #""a","a""#)
            #expect(choice.logprobs?.count == 2)
            #expect(capture.problems == ["unparsed_event"])
            #expect(driver.outputText.contains("data: \(broken)\n\n"))
            #expect(capture.responseText.contains(#""content":"aa""#))
        }
    }

    @Test func deepNestingPasses() throws {
        let deep = String(repeating: "[", count: 600) + String(repeating: "]", count: 600)
        let event = #"{"x":\#(deep),"choices":[]}"#
        let driver = StreamDriver.run(try injectedReply(), events: [event, Self.token])
        #expect(driver.outputText.hasPrefix("data: \(event)\n\n"))
        #expect(driver.reply.captured().problems == ["unparsed_event"])
        let allowed = String(repeating: "[", count: 500) + String(repeating: "]", count: 500)
        let fine = StreamDriver.run(try injectedReply(), events: [#"{"x":\#(allowed)}"#, Self.token])
        #expect(fine.reply.captured().problems == [])
        _ = try decoded(fine.reply.captured().response.bytes)
    }

    @Test func lastOfDuplicateKeysCounts() throws {
        let event =
            #"{"id":"a","id":"b","choices":[{"index":0,"delta":{"content":"x"},"logprobs":null,"logprobs":{"content":[]},"token_ids":[1],"token_ids":[2]}]}"#
        let driver = StreamDriver.run(try injectedReply(), events: [event])
        #expect(
            driver.outputText.hasPrefix(
                #"data: {"id":"a","id":"b","choices":[{"index":0,"delta":{"content":"x"},"logprobs":null,"logprobs":null,"token_ids":null,"token_ids":null}]}"#
            ))
        #expect(driver.reply.captured().responseID.text == #""b""#)
        #expect(driver.reply.captured().choices.first?.isAligned == true)
    }

    @Test func nonFiniteNumbersBecomeNull() throws {
        let event =
            #"{"x":NaN,"choices":[{"index":0,"delta":{"content":"a","tool_calls":[{"index":0,"y":Infinity}]},"z":-Infinity,"finish_reason":"stop"}]}"#
        let driver = StreamDriver.run(try untouchedReply(), events: [event])
        #expect(driver.outputText.hasPrefix("data: \(event)\n\n"))
        let capture = driver.reply.captured()
        #expect(capture.problems == ["non_finite_number"] && !capture.isComplete)
        _ = try decoded(capture.response.bytes)
        let tool = StreamDriver.run(
            try untouchedReply(),
            events: [#"{"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"y":NaN}]},"finish_reason":"stop"}]}"#])
        #expect(tool.reply.captured().problems == ["non_finite_number"])
    }
}
