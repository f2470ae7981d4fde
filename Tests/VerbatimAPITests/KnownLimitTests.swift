import TestSupport
import VerbatimSchema
import VerbatimJSON
import Testing
import VerbatimAPI
import VerbatimTesting

/// Losses that nothing in a reply shows: `complete` is true although tokens are missing. A test that fails because of a
/// new check is good news.
@Suite struct KnownLimitTests {
    private static func event(_ tokens: Int, _ rest: String = "", index: Int = 0) -> String {
        let rest = rest.isEmpty ? #","finish_reason":"stop""# : rest
        let entries = (0..<tokens).map { #"{"token":"ab","logprob":-1.\#($0)}"# }.joined(separator: ",")
        return
            #"{"choices":[{"index":\#(index),"delta":{"content":"ab"},"logprobs":{"content":[\#(entries)]}\#(rest)}]}"#
    }

    private func capture(_ profile: EngineProfile, _ fields: String, _ events: [String]) throws -> Capture {
        try Exchange(profile: profile, fields: fields).stream(events).reply.captured()
    }

    /// Without usage, a lost event is not detected.
    @Test func lostEventIsNotDetectedWithoutUsage() throws {
        #expect(try capture(.openAI, "", [Self.event(1), Self.event(2, #","finish_reason":"stop""#)]).isComplete)
        let counted = try capture(.openAI, "", [Self.event(1), #"{"choices":[],"usage":{"completion_tokens":2}}"#])
        #expect(!counted.isComplete)
    }

    /// Some text comes with token data, some without.
    @Test func textWithoutTokensIsDetectedIfNoTokenHasIt() throws {
        let bare = #"{"choices":[{"index":0,"delta":{"content":"abcdefgh"},"logprobs":null}]}"#
        #expect(try capture(.openAI, "", [Self.event(1), bare, bare]).problems == ["token_text_mismatch"])
        let spaces = #"{"choices":[{"index":0,"delta":{"content":"  "},"logprobs":null}]}"#
        #expect(try capture(.openAI, "", [Self.event(1), spaces]).isComplete)
    }

    /// One lost and one repeated event give the right count.
    @Test func lostAndRepeatedEventsCancelOut() throws {
        let events = [Self.event(1), Self.event(1), #"{"choices":[],"usage":{"completion_tokens":2}}"#]
        #expect(try capture(.openAI, "", events).isComplete)
    }

    /// Ids alone do not show that they came twice.
    @Test func repeatedIDsAreNotDetected() throws {
        let event = #"{"choices":[{"index":0,"delta":{"content":"a"},"token_ids":[5],"finish_reason":"stop"}]}"#
        #expect(try capture(.vllm, "", [event, event]).isComplete)
    }

    /// `[DONE]` ends a stream, but not a choice.
    @Test func unfinishedAndMissingChoicesAreDetected() throws {
        let unfinished = try capture(.openAI, "", [Self.event(1, #","finish_reason":null"#)])
        #expect(unfinished.problems == ["finish_reason_missing"])
        let several = [Self.event(1), Self.event(1, #","finish_reason":null"#, index: 1)]
        #expect(try capture(.openAI, #""n":2"#, several).problems == ["finish_reason_missing"])
        #expect(try capture(.openAI, #""n":2"#, [Self.event(1, index: 1)]).problems == ["choices_missing"])
    }

    /// An engine that counts reasoning without sending it, as vLLM does with `include_reasoning: false`, is detected by
    /// usage only. Bodies always have usage.
    @Test func hiddenReasoningIsDetectedByUsageOnly() throws {
        #expect(try capture(.vllm, #""include_reasoning":false"#, [Self.event(1)]).isComplete)
    }
}
