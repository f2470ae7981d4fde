import VerbatimJSON
import TestSupport
import Testing
import VerbatimAPI
import VerbatimSchema

/// What engines send of the tokens at which a stop string is found, as recorded: `"stop": ["e"]`.
@Suite struct StopStringTests {
    private func capture(_ name: String, _ set: String) throws -> Capture {
        let sample = try #require(WireSample.named(name, in: set))
        return captured(sample, try sample.injectedReply())
    }

    /// vLLM sends the whole token that holds the stop string, although the text ends within it.
    @Test(arguments: ["vllm", "vllm-reasoning"], ["chat_unary_stop_string", "chat_stream_stop_string"])
    func vLLMSendsTheTokenWhole(set: String, name: String) throws {
        let capture = try capture(name, set)
        let choice = try #require(capture.choices.first)
        let ends = set == "vllm" ? (#""keys""#, "1397") : (#""The""#, "1680")
        #expect(choice.tokensText.hasSuffix(ends.0) && choice.idsText.hasSuffix(ends.1))
        #expect(capture.level == .tokens && capture.isComplete)
        #expect(!capture.responseText.contains(#""content":\#(ends.0)"#))
    }

    /// llama.cpp leaves the tokens of the stop string out of a whole reply, but counts them: the record says so.
    @Test(arguments: [("llamacpp", 7, 9), ("llamacpp-tools", 2, 3)])
    func llamaCppLeavesTokensOutOfWholeReplies(set: String, captured: Int, counted: Int) throws {
        let capture = try capture("chat_unary_stop_string", set)
        #expect(capture.choices.first?.tokenIDs.count == captured)
        #expect(capture.usage.text?.contains(#""completion_tokens":\#(counted)"#) == true)
        #expect(capture.problems == ["token_count_mismatch"] && !capture.isComplete)
    }

    /// In its streams, the text of the token may be cut at the stop string; the id is the whole token's. A token of which
    /// nothing is left is not sent, and told of as the one that ends the turn.
    @Test(arguments: [
        ("llamacpp", #"" ""#, 8, 9, ["end_token_missing"]), ("llamacpp-tools", #""Th""#, 3, 3, []),
    ])
    func llamaCppCutsTheTextInStreams(
        set: String, last: String, captured: Int, counted: Int, problems: [ProblemCode]
    ) throws {
        let capture = try capture("chat_stream_stop_string", set)
        let choice = try #require(capture.choices.first)
        #expect(choice.tokensText.hasSuffix(last) && choice.tokenIDs.count == captured)
        #expect(capture.responseText.contains(#""predicted_n":\#(counted)"#))
        #expect(capture.problems == problems)
    }
}
