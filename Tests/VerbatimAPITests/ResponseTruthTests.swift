import TestSupport
import Testing
import VerbatimAPI
import VerbatimJSON
import VerbatimSchema
import VerbatimTesting

/// Token data of a response that is not what it seems to be, and errors in other forms than the documented ones.
@Suite struct ResponseTruthTests {
    private static func entry(_ token: String, _ value: String) -> String {
        #"{"token":\#(token),"logprob":\#(value)}"#
    }

    /// A stream of two tokens and a text.
    private func capture(
        tokens: [String] = [#""H""#, #""i""#], values: [String] = ["-0.5", "-0.25"], text: String = "Hi",
        ids: String? = nil, prompt: String = "[1,2]"
    ) throws -> Capture {
        let deltas = zip(tokens, values).enumerated().map { number, pair in
            let delta = Array(text).indices.contains(number) ? String(Array(text)[number]) : ""
            return ResponseOutputTests.event(
                "output_text.delta", 0,
                #""content_index":0,"delta":"\#(delta)","logprobs":[\#(Self.entry(pair.0, pair.1))]"#, id: "m0")
        }
        let item = #"{"id":"m0","type":"message","content":[{"type":"output_text","text":"\#(text)"}]}"#
        var end = ResponseOutputTests.end("[\(item)]")
        if let ids {
            let lists =
                #""input_messages":[{"type":"raw_message_tokens","tokens":\#(prompt)}],"output_messages":[{"type":"raw_message_tokens","tokens":\#(ids)}]"#
            end = end.replacing(#","usage""#, with: ",\(lists)" + #","usage""#)
        }
        let stream = responseStream([ResponseOutputTests.created] + deltas + [end])
        return StreamDriver.run(try injectedResponse(), stream).reply.captured()
    }

    @Test func tokensThatAreTheTextAreComplete() throws {
        #expect(try capture().isComplete)
        #expect(try capture(ids: "[3,4]").isComplete && capture(ids: "[3,4]").level == .tokens)
    }

    @Test func tokensOfAnotherTextAreNoted() throws {
        #expect(try capture(tokens: [#""H""#, #""o""#]).problems == ["token_text_mismatch"])
        let body =
            #"{"object":"response","status":"completed","output":[{"type":"message","content":[{"type":"output_text","text":"Hi","logprobs":[\#(Self.entry(#""Ho""#, "-1"))]}]}],"usage":{"output_tokens":1}}"#
        let whole = readWhole(try injectedResponse(), Array(body.utf8)).reply.captured()
        #expect(whole.problems == ["token_text_mismatch"] && !whole.isComplete)
        let right = readWhole(try injectedResponse(), Array(body.replacing("Ho", with: "Hi").utf8)).reply.captured()
        #expect(right.isComplete)
    }

    @Test(arguments: ["0.5", "1e3", "Infinity", "-Infinity", "NaN", "null", #""x""#])
    func valuesThatAreNoLogprobabilities(value: String) throws {
        let capture = try capture(values: [value, "-0.25"])
        #expect(!capture.isComplete && capture.choices.first?.valuesText == "null,-0.25")
    }

    @Test(arguments: ["null", "7", "{}"])
    func entriesWithoutAText(token: String) throws {
        let capture = try capture(tokens: [token, #""i""#])
        #expect(!capture.isComplete && capture.problems == ["token_text_missing"])
    }

    @Test(arguments: ["-1", "1.5", "9223372036854775808", #""3""#, "true"])
    func idsThatAreNoNaturalNumbers(id: String) throws {
        let output = try capture(ids: "[3,\(id)]")
        #expect(!output.isComplete && output.problems.contains("token_id_invalid"))
        let prompt = try capture(ids: "[3,4]", prompt: "[1,\(id)]")
        #expect(!prompt.isComplete && prompt.problems.contains("token_id_invalid"))
    }

    // MARK: Errors

    private static let errors = [
        #"{"object":"error","message":"m","type":"BadRequestError","code":"429"}"#, #"{"detail":"m"}"#,
        #"{"message":"m","code":"429"}"#, #"{"type":"rate_limit_error","message":"m"}"#,
        #"{"error":{"message":"m","code":"429"}}"#, #"{"type":"error","message":"m","code":"429"}"#,
    ]

    /// An error that came whole is the end that the engine chose: the record is not cut off.
    @Test(arguments: errors, [false, true])
    func errorsInOtherForms(error: String, isNamed: Bool) throws {
        let name = isNamed ? "error" : "message"
        let event = "event: \(name)\ndata: \(error)\n\n"
        let begun = [ResponseOutputTests.created, ResponseOutputTests.added(0, ResponseOutputTests.message)]
        let status = error.contains("429") ? "429" : "null"
        let response = StreamDriver.run(try untouchedResponse(), responseStream(begun) + event)
        #expect(response.errors.count == 1)
        let captured = response.reply.captured()
        #expect(!captured.isComplete && captured.problems == [])
        #expect(captured.responseText.contains(#","upstream_status":\#(status),"upstream_error":{"#))

        let message = StreamDriver.run(try messageReply(), messageStream([MessageStreamTests.start]) + event)
        #expect(message.errors.count == 1)
        #expect(!message.reply.captured().isComplete && message.reply.captured().problems == [])
        #expect(message.reply.captured().responseText.contains(#","upstream_status":\#(status),"upstream_error":{"#))

        for reply in [try untouchedResponse(), try messageReply()] {
            let whole = readWhole(reply, Array(error.utf8))
            #expect(whole.reply.error != nil && !whole.reply.captured().isComplete)
        }
    }

    @Test func aTextNamedErrorIsAnError() throws {
        let event = "event: error\ndata: upstream timed out\n\n"
        let response = StreamDriver.run(try untouchedResponse(), responseStream([ResponseOutputTests.created]) + event)
        #expect(response.errors == [#""upstream timed out""#])
        let message = StreamDriver.run(try messageReply(), messageStream([MessageStreamTests.start]) + event)
        #expect(message.errors == [#""upstream timed out""#])
    }

    @Test func aFailedResponseHasTheCodeOfItsError() throws {
        let failed =
            #"{"type":"response.failed","response":{"id":"r","object":"response","status":"failed","output":[],"error":{"code":"503","message":"m"}}}"#
        let capture = try ResponseOutputTests.capture([failed])
        #expect(capture.responseText.contains(#""upstream_status":503"#) && capture.problems == [])
        #expect(!capture.isComplete)
    }

    @Test(arguments: [
        #"{"type":"response.vendor.notice","message":"m"}"#, #"{"type":"keepalive","status":"ok"}"#,
        #"{"message":"m"}"#,
    ])
    func otherEventsAreNoErrors(event: String) throws {
        let response = StreamDriver.run(try untouchedResponse(), responseStream([ResponseOutputTests.created, event]))
        #expect(response.errors.isEmpty)
        let message = StreamDriver.run(try messageReply(), messageStream([MessageStreamTests.start, event]))
        #expect(message.errors.isEmpty)
    }
}
