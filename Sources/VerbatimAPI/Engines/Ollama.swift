extension EngineProfile {
    /// Ollama since 0.12.11 (`middleware/openai.go`, `openai/openai.go`): log-probabilities without ids, of completions in
    /// the form of chat completions; the key is absent when they are off. While a parser holds text back, each token
    /// comes in a chunk of its own without text, only because of them; every chunk repeats the role.
    package static let ollama: EngineProfile = {
        var profile = EngineProfile(name: "ollama")
        profile.rules = [.asks(.responses, logprobs: .never)]
        profile.logprobsOffForms = [.chatCompletions: .absent, .completions: .absent]
        profile.blankEvents = [.chatCompletions, .completions]
        profile.repeatsRole = true
        profile.marks.owners = ["library"]
        profile.marks.fingerprints = ["fp_ollama"]
        return profile
    }()
}
