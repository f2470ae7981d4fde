/// What a request says of a prompt that its reply repeats (`echo`), so that its tokens can be told from the completion's.
struct EchoedPrompt: Hashable, Sendable {
    /// How many tokens the prompt has, if it was sent as ids.
    var tokenCount: Int?
    /// Whether there is only one.
    var isSingle = true
    /// Whether the agent itself asked for the prompt's log-probabilities (vLLM's `prompt_logprobs`).
    var hasOwnLogprobs = false
}
