extension EngineProfile {
    /// OpenRouter drops fields that a provider does not support. It gives no ids.
    package static let openRouter: EngineProfile = {
        var profile = EngineProfile(name: "openrouter", like: .openAI)
        profile.modelsWithoutResponseTokens = ["gpt-oss"]
        profile.fingerprint.hosts = ["openrouter.ai", ".openrouter.ai"]
        profile.fingerprint.choiceKeys = ["native_finish_reason"]
        return profile
    }()

    /// Hugging Face's router: the token data depend on the provider that it chooses. It gives no ids.
    package static let huggingFaceRouter: EngineProfile = {
        var profile = EngineProfile(name: "hf-router", like: .openAI)
        profile.modelsWithoutResponseTokens = ["gpt-oss"]
        profile.fingerprint.hosts = ["router.huggingface.co"]
        profile.fingerprint.headers = ["x-inference-provider"]
        return profile
    }()
}
