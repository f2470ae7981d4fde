extension EngineProfile {
    /// OpenRouter: fields that a provider does not support are dropped by it; no ids.
    package static let openRouter: EngineProfile = {
        var profile = EngineProfile(name: "openrouter", like: .openAI)
        profile.modelsWithoutResponseTokens = ["gpt-oss"]
        profile.marks.hosts = ["openrouter.ai", ".openrouter.ai"]
        profile.marks.choiceKeys = ["native_finish_reason"]
        return profile
    }()

    /// Hugging Face's router: what can be had depends on the provider that it chooses; no ids.
    package static let huggingFaceRouter: EngineProfile = {
        var profile = EngineProfile(name: "hf-router", like: .openAI)
        profile.modelsWithoutResponseTokens = ["gpt-oss"]
        profile.marks.hosts = ["router.huggingface.co"]
        profile.marks.headers = ["x-inference-provider"]
        return profile
    }()
}
