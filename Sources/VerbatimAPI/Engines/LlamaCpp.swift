extension EngineProfile {
    /// llama.cpp's server (`tools/server/server-task.cpp`, `server-common.cpp`): every log-probability entry has the
    /// token's `id`. `top_logprobs: 0` turns log-probabilities off. With tools and streaming, `top_logprobs` is
    /// refused, but not `n_probs`. Chat completions without log-probabilities lack the key.
    package static let llamaCpp: EngineProfile = {
        var profile = EngineProfile(name: "llamacpp")
        let allTokens: [IDField] = [.flag("verbose"), .flag("return_tokens")]
        profile.rules = [
            .asks(.chatCompletions, isStream: true, hasTools: true, logprobs: .nProbs),
            // A whole reply has entries for complete characters only, but lists all ids in `__verbose.tokens`.
            .asks(.chatCompletions, isStream: false, ids: allTokens),
            .asks(.completions, isStream: false, ids: allTokens),
            // Recorded: `top_logprobs` is refused, and no response has log-probabilities.
            .asks(.responses, logprobs: .never),
        ]
        // The last event of a stream says whether a stop string ended it.
        profile.idsOfStreamsWithStops = [.flag("verbose")]
        profile.minimumTopLogprobs = 1
        profile.entriesCarryIDs = true
        profile.logprobsWhenOff = [.chatCompletions: .absent]
        // Only deltas of a stream have log-probabilities, and the end token makes no delta.
        profile.streamsOmitEndToken = true
        // Recorded: with n=2 and 12 tokens each, the count is 12.
        profile.usageCoversAllChoices = false
        profile.fingerprint.server = "llama.cpp"
        profile.fingerprint.owners = ["llamacpp"]
        profile.fingerprint.systemFingerprints = ["b#-*"]
        profile.fingerprint.systemFingerprintIsVersion = true
        profile.fingerprint.replyKeys = ["timings"]
        profile.fingerprint.entryKeys = ["id", "bytes"]
        profile.fingerprint.refusals = ["logprobs is not supported with tools + stream"]
        return profile
    }()
}
