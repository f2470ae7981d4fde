import TestSupport
import VerbatimSchema
import Foundation
import VerbatimJSON
import Testing
import VerbatimAPI
import VerbatimTesting

/// Synthetic responses of vLLM with token ids, after `entrypoints/openai/responses/protocol.py` and the recorded
/// streams. None was recorded with `enable_response_messages`.
@Suite struct VLLMResponsesTests {
    static func entry(_ token: String, _ value: String, bytes: String = "") -> String {
        #"{"token":"\#(token)",\#(bytes)"logprob":\#(value),"top_logprobs":[{"token":"\#(token)","logprob":\#(value)}]}"#
    }

    /// A response object; `isOn`: with token data.
    static func response(
        _ isOn: Bool, status: String, output: String = "", usage: String = "null",
        messages: (input: String, output: String)? = nil, top: String = "5"
    ) -> String {
        let raw = isOn ? messages : nil
        return
            #"{"id":"resp_1","created_at":1,"incomplete_details":null,"model":"m","object":"response","output":[\#(output)],"#
            + #""status":"\#(status)","text":null,"top_logprobs":\#(isOn ? top : "null"),"usage":\#(usage),"#
            + #""input_messages":\#(raw?.input ?? "null"),"output_messages":\#(raw?.output ?? "null")}"#
    }

    static func message(_ logprobs: String, text: String = "Hi!") -> String {
        #"{"id":"msg_1","content":[{"annotations":[],"text":"\#(text)","type":"output_text","logprobs":\#(logprobs)}],"#
            + #""role":"assistant","status":"completed","type":"message","phase":null}"#
    }

    static func raw(_ tokens: String) -> String {
        #"{"role":"assistant","message":"<|im_start|>\n","tokens":[\#(tokens)],"type":"raw_message_tokens"}"#
    }

    static let usage = #"{"input_tokens":4,"output_tokens":3,"total_tokens":7}"#

    /// Text of two tokens and the one that ends the turn.
    static func textStream(_ isOn: Bool, ids: String = "13048,0,151645", count: Int = 3) -> String {
        let tokens = ["Hi", "!", ""].prefix(count)
        let all =
            isOn ? "[\(tokens.map { entry($0, "-0.25", bytes: #""bytes":[72],"#) }.joined(separator: ","))]" : "null"
        var events = [
            #"{"response":\#(response(isOn, status: "in_progress")),"sequence_number":0,"type":"response.created"}"#,
            #"{"response":\#(response(isOn, status: "in_progress")),"sequence_number":1,"type":"response.in_progress"}"#,
            #"{"item":{"id":"msg_1","content":[],"role":"assistant","status":"in_progress","type":"message","phase":null},"output_index":0,"sequence_number":2,"type":"response.output_item.added"}"#,
            #"{"content_index":0,"item_id":"msg_1","output_index":0,"part":{"annotations":[],"text":"","type":"output_text","logprobs":[]},"sequence_number":3,"type":"response.content_part.added"}"#,
        ]
        for (number, token) in tokens.enumerated() {
            let logprobs = isOn ? entry(token, "-0.\(number)5") : ""
            events.append(
                #"{"content_index":0,"delta":"\#(token)","item_id":"msg_1","logprobs":[\#(logprobs)],"output_index":0,"sequence_number":\#(4 + number),"type":"response.output_text.delta"}"#
            )
        }
        events += [
            #"{"content_index":0,"item_id":"msg_1","logprobs":[],"output_index":0,"sequence_number":7,"text":"Hi!","type":"response.output_text.done"}"#,
            #"{"content_index":0,"item_id":"msg_1","output_index":0,"part":{"annotations":[],"text":"Hi!","type":"output_text","logprobs":\#(all)},"sequence_number":8,"type":"response.content_part.done"}"#,
            #"{"item":\#(message(all)),"output_index":0,"sequence_number":9,"type":"response.output_item.done"}"#,
        ]
        let final = response(
            isOn, status: "completed", output: message(all), usage: usage,
            messages: ("[\(raw("1,2,3,4"))]", "[\(raw(ids))]"))
        events.append(#"{"response":\#(final),"sequence_number":10,"type":"response.completed"}"#)
        return responseStream(events)
    }

    @Test(arguments: [EngineProfile.vllm, .generic])
    func byHand_textWithIDsOfTheSameNumber(profile: EngineProfile) throws {
        let driver = StreamDriver.run(try injectedResponse(profile), Self.textStream(true))
        #expect(driver.outputText == Self.textStream(false))
        #expect(driver.events.last?.isTerminal == true && driver.events.last?.isEdited == true)

        let capture = driver.reply.captured()
        let choice = try #require(capture.choices.first)
        #expect(choice.idsText == "13048,0,151645" && choice.tokensText == #""Hi","!","""#)
        #expect(choice.valuesText == "-0.05,-0.15,-0.25" && choice.logprobs?.count == 3)
        #expect(capture.promptTokenIDs.text == "[1,2,3,4]")
        #expect(capture.level == .tokens && capture.isComplete && capture.problems == [])
        #expect(choice.finishReason.text == #""completed""#)
        #expect(capture.usage.text == Self.usage)
        #expect(capture.responseText.contains(#""output_messages":[{"role":"assistant""#))
    }

    @Test func byHand_requestedTokenDataAreKept() throws {
        let stream = Self.textStream(true)
        let asksBoth = #"{"include":["message.output_text.logprobs"],"top_logprobs":5,"enable_response_messages":true}"#
        #expect(StreamDriver.run(try prepareResponse(asksBoth).reply, stream).outputText == stream)
        #expect(StreamDriver.run(try untouchedResponse(), stream).outputText == stream)

        let asksLogprobs = try prepareResponse(#"{"include":["message.output_text.logprobs"],"top_logprobs":5}"#).reply
        let withLogprobs = StreamDriver.run(asksLogprobs, stream)
        #expect(withLogprobs.outputText.hasPrefix(String(stream.prefix { $0 != "<" }.dropLast(200))))
        #expect(withLogprobs.outputText.contains(#""input_messages":null,"output_messages":null}"#))
        #expect(!withLogprobs.outputText.contains("raw_message_tokens"))

        let asksIDs = StreamDriver.run(try prepareResponse(#"{"enable_response_messages":true}"#).reply, stream)
        #expect(!asksIDs.outputText.contains(#""logprob":"#) && asksIDs.outputText.contains(#""tokens":[1,2,3,4]"#))
        for driver in [withLogprobs, asksIDs] {
            #expect(driver.reply.captured().level == .tokens && driver.reply.captured().isComplete)
        }
    }

    /// vLLM repeats `top_logprobs` only if log-probabilities are included (seen with 0.32); OpenAI always does.
    @Test func alternativesOfTheAgentAreEchoed() throws {
        let stream = Self.textStream(true)
        let toVLLM = StreamDriver.run(try prepareResponse(#"{"top_logprobs":5}"#).reply, stream)
        #expect(toVLLM.outputText == Self.textStream(false))
        let openAI = try prepareResponse(#"{"top_logprobs":5}"#, profile: .openAI).reply
        #expect(!StreamDriver.run(openAI, stream).outputText.contains(#""top_logprobs":null"#))
    }

    /// The token that ends the turn has no visible text, so a stream has no entry for it (seen with 0.32).
    @Test func endTokenHasNoLogprob() throws {
        let driver = StreamDriver.run(try injectedResponse(), Self.textStream(true, count: 2))
        #expect(driver.outputText == Self.textStream(false, count: 2))
        let capture = driver.reply.captured()
        let choice = try #require(capture.choices.first)
        #expect(choice.idsText == "13048,0,151645")
        #expect(choice.tokensText == "\"Hi\",\"!\",\"\u{FFFD}\"" && choice.valuesText == "-0.05,-0.15,null")
        #expect(capture.level == .tokens && capture.problems == ["end_token_missing"] && !capture.isComplete)
    }

    /// Streamed entries lack tokens without visible text, so it is not known which id belongs to which entry.
    @Test func byHand_idsOfAnotherNumberAreKeptAlone() throws {
        let driver = StreamDriver.run(try injectedResponse(), Self.textStream(true, count: 1))
        let capture = driver.reply.captured()
        let choice = try #require(capture.choices.first)
        #expect(choice.idsText == "13048,0,151645")
        #expect(choice.tokensText == "" && choice.valuesText == "null,null,null")
        #expect(choice.logprobs?.count == 1)
        #expect(capture.level == .ids && capture.problems == ["ids_logprobs_mismatch"] && !capture.isComplete)
    }

    @Test(arguments: [
        (#"[\#(raw("1,2")),\#(raw("3"))]"#, #"[\#(raw("13048,0")),\#(raw("151645"))]"#, nil),
        (#"[{"type":"message","tokens":[9]},\#(raw("1,2"))]"#, #"[\#(raw("13048,0,151645"))]"#, "[1,2]"),
        ("[]", #"[\#(raw("13048")),{"type":"other","tokens":[7]},\#(raw("0,151645"))]"#, nil),
    ])
    func byHand_idsOfSeveralMessagesAreJoined(input: String, output: String, prompt: String?) throws {
        let all = "[\(Self.entry("Hi", "-1")),\(Self.entry("!", "-2")),\(Self.entry("", "-3"))]"
        let final = Self.response(
            true, status: "completed", output: Self.message(all), usage: Self.usage, messages: (input, output))
        let read = readWhole(try injectedResponse(), Array(final.utf8))
        #expect(
            String(decoding: read.output, as: UTF8.self)
                == Self.response(false, status: "completed", output: Self.message("null"), usage: Self.usage))
        let capture = read.reply.captured()
        #expect(capture.choices.first?.idsText == "13048,0,151645" && capture.choices.first?.valuesText == "-1,-2,-3")
        #expect(capture.promptTokenIDs.text == prompt)
        let recorded = Self.response(
            true, status: "completed", output: Self.message("null"), usage: Self.usage, messages: (input, output))
        #expect(capture.level == .tokens && capture.isComplete && capture.responseText == recorded)
    }

    /// Messages of Harmony have no ids, and an empty list gives none.
    @Test(arguments: [
        #"[{"role":"assistant","content":[{"type":"text","text":"x"}],"channel":"final"}]"#, #"[\#(raw(""))]"#, "[]",
    ])
    func byHand_messagesWithoutIDs(messages: String) throws {
        let all = "[\(Self.entry("Hi!", "-1"))]"
        let final = Self.response(
            true, status: "completed", output: Self.message(all), messages: (messages, messages))
        let read = readWhole(try injectedResponse(), Array(final.utf8))
        let capture = read.reply.captured()
        #expect(capture.choices.first?.tokenIDs.isEmpty == true && capture.choices.first?.valuesText == "-1")
        #expect(capture.level == .logprobs)
        #expect(
            String(decoding: read.output, as: UTF8.self)
                == Self.response(false, status: "completed", output: Self.message("null")))
    }

    /// Only the end of a reply is captured. Earlier messages are restored as well.
    @Test func byHand_messagesInEarlierEvents() throws {
        let early = Self.response(
            true, status: "in_progress", messages: ("[\(Self.raw("9"))]", "[\(Self.raw("9"))]"))
        let event = #"{"response":\#(early),"sequence_number":0,"type":"response.created"}"#
        let driver = StreamDriver.run(try injectedResponse(), responseStream([event]))
        let plain = Self.response(false, status: "in_progress")
        #expect(driver.outputText == responseStream([event.replacing(early, with: plain)]))
        let capture = driver.reply.captured()
        #expect(capture.promptTokenIDs == nil && capture.choices.first?.tokenIDs.isEmpty == true)
    }

    // MARK: Reasoning and tools

    static let call =
        #"{"arguments":"{\"a\":1}","call_id":"c","name":"f","type":"function_call","id":"fc_1","status":"completed"}"#
    static let reasoning =
        #"{"id":"rs_1","summary":[],"type":"reasoning","content":[{"text":"Hm","type":"reasoning_text"}],"status":"completed"}"#

    static func toolStream(_ isOn: Bool, withIDs: Bool = true, usage: String = usage) -> String {
        let all = isOn ? "[\(entry("Hi!", "-0.5"))]" : "null"
        let final = response(
            isOn, status: "completed", output: "\(reasoning),\(message(all)),\(call)", usage: usage,
            messages: withIDs ? ("[\(raw("1"))]", "[\(raw("5,6,7"))]") : nil)
        return responseStream([
            #"{"response":\#(response(isOn, status: "in_progress")),"sequence_number":0,"type":"response.created"}"#,
            #"{"item":{"id":"rs_1","summary":[],"type":"reasoning","content":null},"output_index":0,"sequence_number":1,"type":"response.output_item.added"}"#,
            #"{"content_index":0,"delta":"Hm","item_id":"rs_1","output_index":0,"sequence_number":2,"type":"response.reasoning_text.delta"}"#,
            #"{"item":\#(reasoning),"output_index":0,"sequence_number":3,"type":"response.output_item.done"}"#,
            #"{"content_index":0,"delta":"Hi!","item_id":"msg_1","logprobs":[\#(isOn ? entry("Hi!", "-0.5") : "")],"output_index":1,"sequence_number":4,"type":"response.output_text.delta"}"#,
            #"{"item":\#(message(all)),"output_index":1,"sequence_number":5,"type":"response.output_item.done"}"#,
            #"{"item":\#(call),"output_index":2,"sequence_number":6,"type":"response.output_item.done"}"#,
            #"{"response":\#(final),"sequence_number":7,"type":"response.completed"}"#,
        ])
    }

    @Test func byHand_reasoningAndToolsAreNeverMisaligned() throws {
        let driver = StreamDriver.run(try injectedResponse(), Self.toolStream(true))
        #expect(driver.outputText == Self.toolStream(false))
        let capture = driver.reply.captured()
        let choice = try #require(capture.choices.first)
        #expect(choice.idsText == "5,6,7" && choice.valuesText == "null,null,null" && choice.isAligned)
        #expect(capture.level == .ids && capture.problems == ["ids_logprobs_mismatch"])
    }

    @Test func byHand_withoutIDsTheHiddenTokensAreMissing() throws {
        let counted = StreamDriver.run(try injectedResponse(), Self.toolStream(true, withIDs: false))
        #expect(counted.reply.captured().problems == ["token_count_mismatch"])
        #expect(counted.reply.captured().level == .logprobs)
        let uncounted = StreamDriver.run(try injectedResponse(), Self.toolStream(true, withIDs: false, usage: "null"))
        #expect(uncounted.reply.captured().problems == ["hidden_tokens_missing"])
        // More tokens than the visible text has: the engine sends all of them.
        let all = Self.toolStream(true, withIDs: false, usage: "null").replacing(
            #""token":"Hi!","logprob":-0.5,"top"#, with: #""token":"{\"a\":1}Hi!","logprob":-0.5,"top"#)
        #expect(StreamDriver.run(try injectedResponse(), all).reply.captured().problems == [])
    }

    /// A response that is a tool call only has ids and no entries.
    @Test func byHand_singleToolCall() throws {
        let final = Self.response(
            true, status: "completed", output: Self.call, usage: Self.usage,
            messages: ("[\(Self.raw("1"))]", "[\(Self.raw("5,6,7"))]"))
        let stream = responseStream([
            #"{"item":\#(Self.call),"output_index":0,"sequence_number":0,"type":"response.output_item.done"}"#,
            #"{"response":\#(final),"sequence_number":1,"type":"response.completed"}"#,
        ])
        let capture = StreamDriver.run(try injectedResponse(), stream).reply.captured()
        #expect(
            capture.level == .ids && capture.problems == ["no_logprobs"] && capture.choices.first?.idsText == "5,6,7")
        #expect(capture.choices.first?.tokens.isEmpty == true)
    }

    /// Documented: the one text item of a whole reply has the log-probabilities of all tokens.
    @Test func byHand_wholeRepliesCoverEverything() throws {
        let all = "[\(["Hm", "Hi!", "{}"].map { Self.entry($0, "-1") }.joined(separator: ","))]"
        let body = Self.response(
            true, status: "completed", output: "\(Self.reasoning),\(Self.message(all)),\(Self.call)",
            usage: Self.usage, messages: ("[\(Self.raw("1"))]", "[\(Self.raw("5,6,7"))]"))
        let capture = readWhole(try injectedResponse(), Array(body.utf8)).reply.captured()
        #expect(capture.level == .tokens && capture.isComplete)
        #expect(capture.choices.first?.idsText == "5,6,7" && capture.choices.first?.valuesText == "-1,-1,-1")
    }

    /// Engines do not send `include` in a response so far. If one does, the agent receives its own value.
    @Test(arguments: [
        (#"{}"#, "null"), (#"{"include":[ "a" ]}"#, #"[ "a" ]"#),
        (#"{"include":["message.output_text.logprobs"]}"#, #"["a","message.output_text.logprobs"]"#),
    ])
    func byHand_anEchoedInclude(request: String, expected: String) throws {
        let reply = try prepareResponse(request).reply
        let body = #"{"object":"response","include":["a","message.output_text.logprobs"],"output":[]}"#
        let read = readWhole(reply, Array(body.utf8))
        #expect(
            String(decoding: read.output, as: UTF8.self)
                == #"{"object":"response","include":\#(expected),"output":[]}"#)
    }

    /// 0 is what an engine says that was asked for nothing; any other number is there because of the injection.
    @Test(arguments: [("0", "0"), ("3", "null"), ("5", "null")])
    func byHand_onlyEchoesAreRestored(sent: String, expected: String) throws {
        let body = #"{"object":"response","top_logprobs":\#(sent),"output":[]}"#
        let output = readWhole(try injectedResponse(.generic), Array(body.utf8)).output
        #expect(
            String(decoding: output, as: UTF8.self) == body.replacingOccurrences(of: ":\(sent),", with: ":\(expected),")
        )
    }
}
