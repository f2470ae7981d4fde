extension EngineProfile {
    /// Hugging Face's Text Generation Inference (`router/src/lib.rs`): chat completions have log-probabilities, with at
    /// most five alternatives unless the engine was started with a higher limit. There are no ids, and completions have
    /// neither.
    package static let tgi: EngineProfile = {
        var profile = EngineProfile(name: "tgi")
        profile.rules = [.asks(.completions, logprobs: .never)]
        profile.maximumTopLogprobs = 5
        profile.fingerprint.headers = ["x-compute-characters"]
        profile.fingerprint.systemFingerprints = ["#.#.#-sha-*", "#.#.#-native", "#.#.#-dev#-*"]
        return profile
    }()
}
