import VerbatimJSON
import Testing
import VerbatimAPI
import VerbatimSchema
import TestSupport

/// Losses that nothing in the reply tells of: `complete` is true, although tokens are missing. Should one of these tests
/// fail because a check has been found, so much the better.
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

    /// Without usage, events may be lost: the count is the only witness.
    @Test func anEventThatNeverCame() throws {
        #expect(try capture(.openAI, "", [Self.event(1), Self.event(2, #","finish_reason":"stop""#)]).isComplete)
        let counted = try capture(.openAI, "", [Self.event(1), #"{"choices":[],"usage":{"completion_tokens":2}}"#])
        #expect(!counted.isComplete)
    }

    /// Text that came without token data, beside text that came with them.
    @Test func textWithoutTokens() throws {
        let bare = #"{"choices":[{"index":0,"delta":{"content":"abcdefgh"},"logprobs":null}]}"#
        #expect(try capture(.openAI, "", [Self.event(1), bare, bare]).isComplete)
    }

    /// One event lost and one doubled make the right count.
    @Test func oneLostAndOneDoubled() throws {
        let events = [Self.event(1), Self.event(1), #"{"choices":[],"usage":{"completion_tokens":2}}"#]
        #expect(try capture(.openAI, "", events).isComplete)
    }

    /// Ids alone say nothing of whether they came twice.
    @Test func idsThatCameTwice() throws {
        let event = #"{"choices":[{"index":0,"delta":{"content":"a"},"token_ids":[5],"finish_reason":"stop"}]}"#
        #expect(try capture(.vllm, "", [event, event]).isComplete)
    }

    /// `[DONE]` ends a stream, whether its choice had ended or not.
    @Test func aChoiceThatDidNotEnd() throws {
        #expect(try capture(.openAI, "", [Self.event(1, #","finish_reason":null"#)]).isComplete)
        // Among several it shows, and so do choices that never came.
        let several = [Self.event(1), Self.event(1, #","finish_reason":null"#, index: 1)]
        #expect(try capture(.openAI, #""n":2"#, several).problems == ["finish_reason_missing"])
        #expect(try capture(.openAI, #""n":2"#, [Self.event(1, index: 1)]).problems == ["choices_missing"])
    }

    /// An engine that holds the reasoning back, as vLLM does with `include_reasoning: false`, but counts it: only usage
    /// tells. In a whole reply it always stands.
    @Test func reasoningThatIsKeptBack() throws {
        #expect(try capture(.vllm, #""include_reasoning":false"#, [Self.event(1)]).isComplete)
    }
}
