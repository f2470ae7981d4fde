extension EngineProfile {
    /// mlx-lm's server (`mlx_lm/server.py`): whole replies have log-probabilities, streams have none. With
    /// `top_logprobs`, an entry is the first of the alternatives in any order, and not the sampled token; without it,
    /// an entry is the sampled token's id and log-probability, without its text. `logprobs` must be a boolean in
    /// completions, too. A field that is off is absent.
    package static let mlxLM: EngineProfile = {
        var profile = EngineProfile(name: "mlx-lm")
        profile.rules = [
            .asks(.chatCompletions, isStream: true, logprobs: .never), .asks(.chatCompletions, logprobs: .flagOnly),
            .asks(.completions, isStream: true, logprobs: .never), .asks(.completions, logprobs: .flagOnly),
            .asks(.responses, logprobs: .never),
        ]
        profile.entriesCarryIDs = true
        profile.entriesLackTexts = true
        profile.logprobsWhenOff = [.chatCompletions: .absent, .completions: .absent]
        // The versions of mlx-lm and mlx, the platform, the chip.
        profile.fingerprint.systemFingerprints = ["#.#.#-#.#.#-*", "#.#.#-#.#.#.*"]
        profile.fingerprint.systemFingerprintIsVersion = true
        return profile
    }()
}
