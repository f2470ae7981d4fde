extension EngineProfile {
    /// OpenAI and Azure's OpenAI: log-probabilities of what is visible but no token ids, and unknown fields are refused.
    package static let openAI: EngineProfile = {
        var profile = EngineProfile(name: "openai")
        profile.modelsWithoutResponseTokens = []
        profile.marks.hosts = ["api.openai.com", ".openai.azure.com"]
        profile.marks.owners = ["openai", "system", "openai-internal"]
        return profile
    }()
}
