import VerbatimSchema
import VerbatimJSON
import TestSupport
import Testing
import VerbatimAPI
import VerbatimTesting

/// The tokens of a stop string, as recorded engines send them: `"stop": ["e"]`.
@Suite struct StopStringTests {
    private func capture(_ name: String, _ set: String) throws -> Capture {
        let sample = try #require(WireSample.named(name, in: set))
        return captured(sample, try sample.injectedReply())
    }

    /// vLLM sends the whole token that holds the stop string, although the text ends within it.
    @Test(arguments: ["vllm", "vllm-reasoning"], ["chat_unary_stop_string", "chat_stream_stop_string"])
    func vLLMSendsTheWholeStopToken(set: String, name: String) throws {
        let capture = try capture(name, set)
        let choice = try #require(capture.choices.first)
        let ends = set == "vllm" ? (#""keys""#, "1397") : (#""The""#, "1680")
        #expect(choice.tokensText.hasSuffix(ends.0) && choice.idsText.hasSuffix(ends.1))
        #expect(capture.level == .tokens && capture.isComplete)
        #expect(!capture.responseText.contains(#""content":\#(ends.0)"#))
    }

    /// llama.cpp counts the tokens of the stop string but omits them from a body: the record is marked.
    @Test(arguments: [("llamacpp", 7, 9), ("llamacpp-tools", 2, 3)])
    func llamaCppOmitsStopTokensFromBodies(set: String, captured: Int, counted: Int) throws {
        let capture = try capture("chat_unary_stop_string", set)
        #expect(capture.choices.first?.tokenIDs.count == captured)
        #expect(capture.usage.text?.contains(#""completion_tokens":\#(counted)"#) == true)
        #expect(capture.problems == ["token_count_mismatch"] && !capture.isComplete)
    }

    /// Streams of llama.cpp may cut the text of a token at the stop string; the id is that of the whole token. A token
    /// without text is not sent, and it is not known which.
    @Test(arguments: [
        ("llamacpp", #"" ""#, 8, 9, ["token_count_mismatch"]), ("llamacpp-tools", #""Th""#, 3, 3, []),
    ])
    func llamaCppCutsStopTokensInStreams(
        set: String, last: String, captured: Int, counted: Int, problems: [ProblemCode]
    ) throws {
        let capture = try capture("chat_stream_stop_string", set)
        let choice = try #require(capture.choices.first)
        #expect(choice.tokensText.hasSuffix(last) && choice.tokenIDs.count == captured)
        #expect(capture.responseText.contains(#""predicted_n":\#(counted)"#))
        #expect(capture.problems == problems)
    }
}
