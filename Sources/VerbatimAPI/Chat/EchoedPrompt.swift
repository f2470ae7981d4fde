/// What a request says about a prompt that its reply repeats (`echo`), to separate its tokens from the completion's.
struct EchoedPrompt: Hashable, Sendable {
    /// The number of the prompt's tokens, if it was sent as ids.
    var tokenCount: Int?
    /// Whether the request has one prompt only.
    var isSingle = true
    /// Whether the agent itself asked for the prompt's log-probabilities (vLLM's `prompt_logprobs`).
    var hasOwnLogprobs = false
}
