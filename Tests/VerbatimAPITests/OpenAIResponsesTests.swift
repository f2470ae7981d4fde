import TestSupport
import VerbatimSchema
import Foundation
import VerbatimJSON
import Testing
import VerbatimAPI
import VerbatimTesting

/// Synthetic responses after OpenAI's documentation: `type` comes first, disabled fields are `[]`, `top_logprobs` is 0
/// if it was not requested, deltas have random `obfuscation`, and there are no ids.
@Suite struct OpenAIResponsesTests {
    private static func entry(_ token: String, _ value: String, bytes: String = "") -> String {
        #"{"token":"\#(token)",\#(bytes)"logprob":\#(value),"top_logprobs":[]}"#
    }

    private static func response(_ isOn: Bool, _ status: String, _ output: String = "", _ usage: String = "null")
        -> String
    {
        #"{"id":"resp_9","object":"response","created_at":1741290958,"status":"\#(status)","error":null,"#
            + #""incomplete_details":null,"model":"gpt-4.1-2025-04-14","output":[\#(output)],"store":true,"temperature":1.0,"#
            + #""top_logprobs":\#(isOn ? 5 : 0),"usage":\#(usage),"metadata":{}}"#
    }

    private static let usage =
        #"{"input_tokens":9,"output_tokens":2,"output_tokens_details":{"reasoning_tokens":0},"total_tokens":11}"#

    static func textStream(_ isOn: Bool) -> String {
        let all =
            isOn
            ? entry("Hi", "-1e-05", bytes: #""bytes":[72,105],"#) + "," + entry("!", "-0.5", bytes: #""bytes":[33],"#)
            : ""
        let part = #"{"type":"output_text","annotations":[],"logprobs":[\#(all)],"text":"Hi!"}"#
        let item = #"{"id":"msg_1","type":"message","status":"completed","content":[\#(part)],"role":"assistant"}"#
        let place = #""item_id":"msg_1","output_index":0,"content_index":0"#
        return responseStream([
            #"{"type":"response.created","sequence_number":0,"response":\#(response(isOn, "in_progress"))}"#,
            #"{"type":"response.in_progress","sequence_number":1,"response":\#(response(isOn, "in_progress"))}"#,
            #"{"type":"response.output_item.added","sequence_number":2,"output_index":0,"item":{"id":"msg_1","type":"message","status":"in_progress","content":[],"role":"assistant"}}"#,
            #"{"type":"response.content_part.added","sequence_number":3,\#(place),"part":{"type":"output_text","annotations":[],"logprobs":[],"text":""}}"#,
            #"{"type":"response.output_text.delta","sequence_number":4,\#(place),"delta":"Hi","logprobs":[\#(isOn ? entry("Hi", "-1e-05") : "")],"obfuscation":"x8Kq"}"#,
            #"{"type":"response.output_text.delta","sequence_number":5,\#(place),"delta":"!","logprobs":[\#(isOn ? entry("!", "-0.5") : "")],"obfuscation":"9f"}"#,
            #"{"type":"response.output_text.done","sequence_number":6,\#(place),"text":"Hi!","logprobs":[\#(all)]}"#,
            #"{"type":"response.content_part.done","sequence_number":7,\#(place),"part":\#(part)}"#,
            #"{"type":"response.output_item.done","sequence_number":8,"output_index":0,"item":\#(item)}"#,
            #"{"type":"response.completed","sequence_number":9,"response":\#(response(isOn, "completed", item, usage))}"#,
        ])
    }

    @Test func documented_textIsCapturedAndRestored() throws {
        let driver = StreamDriver.run(try injectedResponse(.documentedOpenAI), Self.textStream(true))
        #expect(driver.outputText == Self.textStream(false))
        let capture = driver.reply.captured()
        let choice = try #require(capture.choices.first)
        #expect(choice.tokensText == #""Hi","!""# && choice.valuesText == "-1e-05,-0.5" && choice.tokenIDs.isEmpty)
        #expect(capture.level == .logprobs && capture.isComplete && capture.usage.text == Self.usage)
        #expect(capture.model.text == #""gpt-4.1-2025-04-14""# && capture.responseID.text == #""resp_9""#)
        #expect(choice.finishReason.text == #""completed""#)
    }

    @Test func documented_disabledFieldsAreKept() throws {
        let plain = Self.textStream(false)
        for reply in [try injectedResponse(.documentedOpenAI), try injectedResponse(.generic), try untouchedResponse()]
        {
            #expect(StreamDriver.run(reply, plain).outputText == plain)
        }
        let own = try prepareResponse(
            #"{"include":["message.output_text.logprobs"],"top_logprobs":5}"#, profile: .documentedOpenAI)
        #expect(own.injection.isEmpty)
        #expect(StreamDriver.run(own.reply, Self.textStream(true)).outputText == Self.textStream(true))
    }

    @Test func documented_wholeReplies() throws {
        func body(_ isOn: Bool) -> String {
            let all = isOn ? Self.entry("Hi", "-0.25", bytes: #""bytes":[72,105],"#) : ""
            return Self.response(
                isOn, "completed",
                #"{"type":"message","id":"msg_1","content":[{"type":"output_text","logprobs":[ \#(all) ],"text":"Hi"}]}"#
            )
        }
        let read = readWhole(try injectedResponse(.documentedOpenAI) { $0.detail = .full }, Array(body(true).utf8))
        #expect(String(decoding: read.output, as: UTF8.self) == body(false).replacing("[  ]", with: "[]"))
        #expect(read.reply.captured().choices.first?.valuesText == "-0.25")
        #expect(read.reply.hasOutput && read.reply.captured().response.bytes == Array(body(true).utf8))
        #expect(
            readWhole(try injectedResponse(.documentedOpenAI), Array(body(false).utf8)).output
                == Array(body(false).utf8))
    }

    /// For an engine that omits disabled fields, members are removed with their commas.
    @Test func fieldsAbsentWhenOffAreRemoved() throws {
        var profile = EngineProfile(name: "absent")
        profile.logprobsWhenOff[.responses] = .absent
        let body =
            #"{"output":[{"content":[{"logprobs":[{"token":"a","logprob":-1}],"text":"a"}, {"text":"b" , "logprobs":[]}]}]}"#
        let read = readWhole(try injectedResponse(profile), Array(body.utf8))
        #expect(
            String(decoding: read.output, as: UTF8.self)
                == #"{"output":[{"content":[{"text":"a"}, {"text":"b"}]}]}"#)
    }

    @Test func documented_reasoningAndAFunctionCall() throws {
        let reasoning = #"{"id":"rs_1","type":"reasoning","summary":[{"type":"summary_text","text":"Hm"}]}"#
        let call =
            #"{"id":"fc_1","type":"function_call","status":"completed","arguments":"{\"a\":1}","call_id":"c","name":"f"}"#
        func stream(_ isOn: Bool) -> String {
            responseStream([
                #"{"type":"response.created","sequence_number":0,"response":\#(Self.response(isOn, "in_progress"))}"#,
                #"{"type":"response.output_item.added","sequence_number":1,"output_index":0,"item":{"id":"rs_1","type":"reasoning","summary":[]}}"#,
                #"{"type":"response.reasoning_summary_text.delta","sequence_number":2,"item_id":"rs_1","output_index":0,"summary_index":0,"delta":"Hm","obfuscation":"q"}"#,
                #"{"type":"response.output_item.done","sequence_number":3,"output_index":0,"item":\#(reasoning)}"#,
                #"{"type":"response.output_item.added","sequence_number":4,"output_index":1,"item":{"id":"fc_1","type":"function_call","status":"in_progress","arguments":"","call_id":"c","name":"f"}}"#,
                #"{"type":"response.function_call_arguments.delta","sequence_number":5,"item_id":"fc_1","output_index":1,"delta":"{\"a\":1}","obfuscation":"q"}"#,
                #"{"type":"response.function_call_arguments.done","sequence_number":6,"item_id":"fc_1","output_index":1,"arguments":"{\"a\":1}"}"#,
                #"{"type":"response.output_item.done","sequence_number":7,"output_index":1,"item":\#(call)}"#,
                #"{"type":"response.completed","sequence_number":8,"response":\#(Self.response(isOn, "completed", reasoning + "," + call, Self.usage))}"#,
            ])
        }
        let driver = StreamDriver.run(try injectedResponse(.documentedOpenAI), stream(true))
        #expect(driver.outputText == stream(false))
        let capture = driver.reply.captured()
        #expect(capture.level == .text && capture.problems == ["no_token_data"])
        #expect(capture.choices.first?.isAligned == true && driver.reply.hasOutput)
    }

    // MARK: Ends

    @Test func documented_failed() throws {
        let final = Self.response(true, "failed").replacing(
            #""error":null"#, with: #""error":{"code":"server_error","message":"boom"}"#)
        let event = #"{"type":"response.failed","sequence_number":1,"response":\#(final)}"#
        let driver = StreamDriver.run(try injectedResponse(.documentedOpenAI), responseStream([event]))
        #expect(driver.events.last?.isTerminal == true)
        #expect(driver.errors == [#"{"code":"server_error","message":"boom"}"#])
        #expect(
            driver.outputText == responseStream([event.replacing(#""top_logprobs":5"#, with: #""top_logprobs":0"#)]))
        let capture = driver.reply.captured()
        #expect(!capture.isComplete && capture.choices.first?.finishReason.text == #""failed""#)
        #expect(capture.responseText.hasPrefix(String(final.dropLast())))
        #expect(
            capture.responseText.hasSuffix(
                #","upstream_status":null,"upstream_error":{"code":"server_error","message":"boom"}}"#))
    }

    /// Failed responses of vLLM have no `error`, so only the failure itself is known.
    @Test(arguments: [
        #"{"type":"response.failed","response":{"status":"failed","output":[]}}"#,
        #"{"response":{"status":"failed","error":null},"type":"response.failed"}"#,
    ])
    func failureMayHaveNoReason(event: String) throws {
        let driver = StreamDriver.run(try injectedResponse(), responseStream([event]))
        #expect(driver.errors == [#""failed""#])
        #expect(!driver.reply.captured().isComplete)
        let bare = StreamDriver.run(try injectedResponse(), responseStream([#"{"type":"response.failed"}"#]))
        #expect(bare.errors == [#""response.failed""#] && bare.events.last?.isTerminal == true)
    }

    @Test func documented_incomplete() throws {
        let final = Self.response(true, "incomplete", "", Self.usage).replacing(
            #""incomplete_details":null"#, with: #""incomplete_details":{"reason":"content_filter"}"#)
        let event = #"{"type":"response.incomplete","sequence_number":1,"response":\#(final)}"#
        let driver = StreamDriver.run(try injectedResponse(.documentedOpenAI), responseStream([event]))
        #expect(driver.events.last?.isTerminal == true && driver.errors.isEmpty)
        let capture = driver.reply.captured()
        #expect(capture.choices.first?.finishReason.text == #""content_filter""#)
        #expect(capture.problems == ["no_token_data"] && capture.responseText == final)
    }

    @Test func documented_wholeFailures() throws {
        let failed = #"{"object":"response","status":"failed","error":{"code":"rate_limit","message":"x"},"output":[]}"#
        let read = readWhole(try injectedResponse(), Array(failed.utf8))
        #expect(read.reply.error.text == #"{"code":"rate_limit","message":"x"}"#)
        #expect(read.reply.captured().response.bytes == Array(failed.utf8) && !read.reply.captured().isComplete)
        let other = readWhole(try injectedResponse(), Array(#"{"error":"Unexpected endpoint"}"#.utf8))
        #expect(other.reply.error.text == #""Unexpected endpoint""# && other.reply.captured().level == .none)
        let alien = readWhole(try injectedResponse(), Array(#"{"ok":true}"#.utf8))
        #expect(alien.reply.captured().problems == ["no_token_data"] && alien.reply.captured().level == .none)
    }

    @Test(arguments: ["queued", "in_progress"])
    func documented_aBackgroundReply(status: String) throws {
        let prepared = try prepareResponse(#"{"background":true,"store":true}"#, profile: .documentedOpenAI)
        let body = Self.response(false, status)
        let read = readWhole(prepared.reply, Array(body.utf8))
        #expect(read.output == Array(body.utf8))
        let capture = read.reply.captured()
        #expect(capture.response.bytes == Array(body.utf8) && capture.responseID.text == #""resp_9""#)
        #expect(capture.level == .text && capture.problems == ["no_token_data"])
        #expect(capture.choices.first?.finishReason == nil)
    }
}
