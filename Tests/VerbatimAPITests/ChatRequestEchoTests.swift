import TestSupport
import Testing
import VerbatimAPI

/// Requests in which what is injected would have an effect of its own.
@Suite struct ChatRequestEchoTests {
    /// vLLM gives as many alternatives for each token of the echoed prompt, and without the field none.
    @Test(arguments: [(#""echo":true"#, 0), (#""echo":false"#, 5), (#""echo":null"#, 5)])
    func anEchoedPromptGetsNoAlternatives(field: String, top: Int) throws {
        let prepared = try prepare("{\(field)}", profile: .vllm)
        #expect(prepared.bodyText == #"{\#(field),"logprobs":true,"top_logprobs":\#(top),"return_token_ids":true}"#)
    }

    /// vLLM refuses it without `logprobs`.
    @Test(arguments: [
        (#"{"logprob_token_ids":[1]}"#, false), (#"{"logprob_token_ids":[1],"logprobs":false}"#, false),
        (#"{"logprob_token_ids":null}"#, true), (#"{"logprob_token_ids":[1],"logprobs":true}"#, true),
    ])
    func leavesWhatTheEngineRefuses(body: String, injects: Bool) throws {
        #expect(try (prepare(body, profile: .vllm).bodyText != body) == injects)
    }

    @Test(
        "A request without anything to reply to is refused by the engine",
        arguments: [
            (API.chatCompletions, #"{"messages":[]}"#, false), (.chatCompletions, "{}", true),
            (.chatCompletions, #"{"messages":null}"#, true), (.chatCompletions, #"{"messages":"a"}"#, true),
            (.completions, #"{"prompt":"a"}"#, false), (.completions, #"{"prompt":[1]}"#, false),
            (.completions, #"{"prompt_embeds":"x"}"#, false), (.completions, "{}", true),
            (.completions, #"{"prompt":null}"#, true), (.completions, #"{"prompt":1}"#, true),
            (.responses, #"{"input":"a"}"#, false), (.responses, #"{"input":[]}"#, false),
            (.responses, #"{"previous_response_id":"r"}"#, false), (.responses, #"{"prompt":{"id":"p"}}"#, false),
            (.responses, "{}", true), (.responses, #"{"input":true}"#, true), (.messages, "{}", false),
        ])
    func lacksInput(api: API, body: String, lacks: Bool) throws {
        #expect(try APIRegistry.request(to: api, body: Array(body.utf8)).lacksInput == lacks)
    }
}
