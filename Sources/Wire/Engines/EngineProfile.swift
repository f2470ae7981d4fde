/// What an engine takes, and what its replies look like: data, so that someone who knows an engine can add it.
package struct EngineProfile: Hashable, Sendable {
    /// How a field looks in a reply when its feature is off.
    package enum OffForm: Hashable, Sendable {
        /// The key stands there with the value `null`.
        case null
        /// The key is absent.
        case absent
    }

    /// The value of `--engine` and of a record's `engine`.
    package let name: String
    /// Whether `return_token_ids` is worth asking for.
    package var takesReturnTokenIDs = false
    /// Fewer alternatives than this give no log-probabilities at all.
    package var minimumTopLogprobs = 0
    /// Whether log-probabilities of a stream with tools are asked for by `n_probs`.
    package var usesNProbsForToolStreams = false
    /// Whether `usage.completion_tokens` counts the tokens of all choices, and not of one alone.
    package var usageCoversAllChoices = true
    /// Whether streams leave out the token that ends a turn.
    package var streamsOmitEndToken = false
    /// How `choices[].logprobs` looks when log-probabilities are off.
    package var logprobsOffForm: OffForm = .null

    package init(name: String) { self.name = name }

    /// Every profile that can be chosen by name.
    package static let all: [EngineProfile] = [.vllm, .llamaCpp, .openAI]
}

extension EngineProfile {
    /// An engine that has not been recognised: asked for everything, restored as most engines look.
    package static let generic: EngineProfile = {
        var profile = EngineProfile(name: "generic")
        profile.takesReturnTokenIDs = true
        return profile
    }()
}
