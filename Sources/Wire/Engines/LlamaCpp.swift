extension EngineProfile {
    /// llama.cpp's server (`tools/server/server-task.cpp`, `server-common.cpp`): every log-probability entry carries
    /// the token's `id`; `top_logprobs: 0` turns log-probabilities off; together with tools and streaming they are
    /// refused under that name, but not as `n_probs`; without them the key is absent.
    package static let llamaCpp: EngineProfile = {
        var profile = EngineProfile(name: "llamacpp")
        profile.minimumTopLogprobs = 1
        profile.usesNProbsForToolStreams = true
        profile.logprobsOffForm = .absent
        // A stream carries log-probabilities on deltas only, and the end token has none.
        profile.streamsOmitEndToken = true
        // Recorded: n=2 of 12 tokens each gives 12.
        profile.usageCoversAllChoices = false
        return profile
    }()
}
