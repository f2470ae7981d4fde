extension EngineProfile {
    /// Hugging Face's Text Generation Inference (`router/src/lib.rs`): log-probabilities of chat completions, no ids; at
    /// most five alternatives unless it was started with more. Completions carry none.
    package static let tgi: EngineProfile = {
        var profile = EngineProfile(name: "tgi")
        profile.rules = [.asks(.completions, logprobs: .never)]
        profile.maximumTopLogprobs = 5
        profile.marks.headers = ["x-compute-characters"]
        profile.marks.fingerprints = ["#.#.#-sha-*", "#.#.#-native", "#.#.#-dev#-*"]
        return profile
    }()
}
