import TestSupport
import VerbatimSchema
import Foundation
import VerbatimJSON
import Testing
import VerbatimAPI
import VerbatimTesting

/// Streams like OpenAI's: no token ids, `refusal` besides `content`, chunks with obfuscation.
@Suite struct OpenAIStreamTests {
    private func chunk(_ choice: String, _ rest: String = #","usage":null,"obfuscation":"aX9""#) -> String {
        #"{"id":"chatcmpl-1","object":"chat.completion.chunk","created":1,"model":"gpt-4o","service_tier":"default","#
            + #""system_fingerprint":"fp_1","choices":[\#(choice)]\#(rest)}"#
    }

    private func entries(_ logprobs: String, refusal: String = "null") -> String {
        #"{"content":\#(logprobs),"refusal":\#(refusal)}"#
    }

    static let hi =
        #"[{"token":"Hi","logprob":-0.25,"bytes":[72,105],"top_logprobs":[{"token":"Hi","logprob":-0.25,"bytes":[72,105]}]}]"#
    static let end = #"[{"token":"!","logprob":-1e-05,"bytes":[33],"top_logprobs":[]}]"#

    private func events(_ role: String, _ hi: String, _ end: String) -> [String] {
        [
            chunk(
                #"{"index":0,"delta":{"role":"assistant","content":"","refusal":null},"logprobs":\#(role),"finish_reason":null}"#
            ),
            chunk(#"{"index":0,"delta":{"content":"Hi"},"logprobs":\#(hi),"finish_reason":null}"#),
            chunk(#"{"index":0,"delta":{"content":"!"},"logprobs":\#(end),"finish_reason":null}"#),
            chunk(#"{"index":0,"delta":{},"logprobs":null,"finish_reason":"stop"}"#),
            chunk("", #","usage":{"prompt_tokens":3,"completion_tokens":2,"total_tokens":5},"obfuscation":"""#),
        ]
    }

    @Test(arguments: [EngineProfile.openAI, .generic])
    func streamIsCapturedAndRestored(profile: EngineProfile) throws {
        let sent = events(entries("[]"), entries(Self.hi), entries(Self.end))
        let driver = StreamDriver.run(try injectedReply(profile), events: sent)
        #expect(
            driver.outputText
                == StreamDriver.run(try untouchedReply(), events: events("null", "null", "null")).outputText)
        #expect(driver.events.map(\.isDropped).contains(true) == false)
        #expect(driver.reply.recognized == nil)

        let capture = driver.reply.captured()
        let choice = try #require(capture.choices.first)
        #expect(choice.tokensText == #""Hi","!""#)
        #expect(choice.valuesText == "-0.25,-1e-05")
        #expect(choice.tokenIDs.isEmpty)
        #expect(capture.level == .logprobs && capture.isComplete && capture.problems == [])
        #expect(capture.usage.text == #"{"prompt_tokens":3,"completion_tokens":2,"total_tokens":5}"#)
        let expected = #"""
            {"id":"chatcmpl-1","object":"chat.completion","created":1,"model":"gpt-4o","choices":[{"index":0,"message":\#
            {"role":"assistant","content":"Hi!","refusal":null},"logprobs":null,\#
            "finish_reason":"stop"}],\#
            "usage":{"prompt_tokens":3,"completion_tokens":2,"total_tokens":5},"service_tier":"default",\#
            "system_fingerprint":"fp_1","obfuscation":""}
            """#
        #expect(capture.responseText == expected)
        let entries = "[\(Self.hi.dropFirst().dropLast()),\(Self.end.dropFirst().dropLast())]"
        #expect(choice.logprobs.map { String(decoding: $0.array, as: UTF8.self) } == entries)
    }

    @Test func refusalTokensAreCaptured() throws {
        let entry = #"[{"token":"No","logprob":-0.5,"bytes":[78,111],"top_logprobs":[]}]"#
        let driver = StreamDriver.run(
            try injectedReply(.openAI),
            events: [
                chunk(#"{"index":0,"delta":{"role":"assistant","refusal":""},"logprobs":null,"finish_reason":null}"#),
                chunk(
                    #"{"index":0,"delta":{"refusal":"No"},"logprobs":{"content":null,"refusal":\#(entry)},"finish_reason":null}"#
                ),
                chunk(#"{"index":0,"delta":{},"logprobs":null,"finish_reason":"stop"}"#),
            ])
        let capture = driver.reply.captured()
        #expect(capture.choices.first?.tokensText == #""No""#)
        #expect(capture.choices.first?.valuesText == "-0.5")
        #expect(capture.responseText.contains(#""message":{"role":"assistant","refusal":"No"}"#))
        #expect(capture.responseText.contains(#""logprobs":{"content":null,"refusal":\#(entry)}"#))
        #expect(driver.outputText.components(separatedBy: #""logprobs":null"#).count == 4)
    }

    @Test func alternativesAreKeptAsSent() throws {
        let entry =
            #"{"token":"a","logprob":-9999.0,"bytes":null,"top_logprobs":[{"token":"b","logprob":-0.0,"bytes":[98]}]}"#
        let driver = StreamDriver.run(
            try injectedReply(.openAI),
            events: [#"{"choices":[{"index":0,"delta":{"content":"a"},"logprobs":{"content":[ \#(entry) ]}}]}"#])
        let choice = try #require(driver.reply.captured().choices.first)
        #expect(choice.logprobs.map { String(decoding: $0.array, as: UTF8.self) } == "[\(entry)]")
        // OpenAI's documentation: -9999.0 means that the token is not among the likely ones.
        #expect(choice.valuesText == "null")
        #expect(driver.reply.captured().problems.contains("logprob_filler"))
    }

    /// Requested data are kept, and no event is dropped.
    @Test func requestedLogprobsAreKept() throws {
        let event =
            #"{"choices":[{"index":0,"delta":{},"logprobs":\#(entries(Self.hi)),"finish_reason":null,"token_ids":[5]}],"prompt_token_ids":[1]}"#
        let own = try prepare(#"{"logprobs":true,"stream":true}"#)
        let driver = StreamDriver.run(own.reply, events: [event])
        #expect(driver.events.first?.isRestored == true)
        #expect(
            driver.outputText.hasPrefix(
                #"data: {"choices":[{"index":0,"delta":{},"logprobs":\#(entries(Self.hi)),"finish_reason":null,"token_ids":null}],"prompt_token_ids":null}"#
            ))
        let ids = try prepare(#"{"return_token_ids":true,"stream":true}"#)
        let other = StreamDriver.run(ids.reply, events: [event])
        #expect(
            other.outputText.hasPrefix(
                #"data: {"choices":[{"index":0,"delta":{},"logprobs":null,"finish_reason":null,"token_ids":[5]}],"prompt_token_ids":[1]}"#
            ))
        let both = try prepare(#"{"return_token_ids":true,"logprobs":true,"stream":true}"#)
        #expect(StreamDriver.run(both.reply, events: [event]).events.first?.isUntouched == true)
        for driver in [driver, other] { #expect(driver.reply.captured().choices.first?.idsText == "5") }
    }
}
