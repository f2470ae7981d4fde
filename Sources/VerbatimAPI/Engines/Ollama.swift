extension EngineProfile {
    /// Ollama since 0.12.11 (`middleware/openai.go`, `openai/openai.go`): log-probabilities without ids. Completions
    /// have them in the form of chat completions. The key is absent when they are off. While a parser holds text back,
    /// each token comes in a chunk without text, which exists only because of its log-probability. Every chunk repeats
    /// the role.
    package static let ollama: EngineProfile = {
        var profile = EngineProfile(name: "ollama")
        profile.rules = [.asks(.responses, logprobs: .never)]
        profile.logprobsWhenOff = [.chatCompletions: .absent, .completions: .absent]
        profile.blankEvents = [.chatCompletions, .completions]
        profile.repeatsRole = true
        profile.fingerprint.owners = ["library"]
        profile.fingerprint.systemFingerprints = ["fp_ollama"]
        return profile
    }()
}
