extension EngineProfile {
    /// llama.cpp's server (`tools/server/server-task.cpp`, `server-common.cpp`): every log-probability entry carries
    /// the token's `id`; `top_logprobs: 0` turns log-probabilities off; together with tools and streaming they are
    /// refused under that name, but not as `n_probs`; without them the key is absent from chat completions.
    package static let llamaCpp: EngineProfile = {
        var profile = EngineProfile(name: "llamacpp")
        let allTokens: [IDRequest] = [.flag("verbose"), .flag("return_tokens")]
        profile.rules = [
            .asks(.chatCompletions, isStream: true, hasTools: true, logprobs: .nProbs),
            // A whole reply has entries for complete characters only, but lists all ids in `__verbose.tokens`.
            .asks(.chatCompletions, isStream: false, ids: allTokens),
            .asks(.completions, isStream: false, ids: allTokens),
            // Recorded: `top_logprobs` is refused, and no response carries log-probabilities.
            .asks(.responses, logprobs: .never),
        ]
        profile.minimumTopLogprobs = 1
        profile.entriesCarryIDs = true
        profile.logprobsOffForms = [.chatCompletions: .absent]
        // A stream carries log-probabilities on deltas only, and the end token has none.
        profile.streamsOmitEndToken = true
        // Recorded: n=2 of 12 tokens each gives 12.
        profile.usageCoversAllChoices = false
        profile.marks.server = "llama.cpp"
        profile.marks.owners = ["llamacpp"]
        profile.marks.fingerprints = ["b#-*"]
        profile.marks.fingerprintIsVersion = true
        profile.marks.replyKeys = ["timings"]
        profile.marks.entryKeys = ["id"]
        profile.marks.refusals = ["logprobs is not supported with tools + stream"]
        return profile
    }()
}
