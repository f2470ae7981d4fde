extension EngineProfile {
    /// OpenAI and what is built after it: log-probabilities but no token ids, and unknown fields are refused.
    package static let openAI = EngineProfile(name: "openai")
}
