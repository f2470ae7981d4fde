extension EngineProfile {
    /// OpenAI gives log-probabilities of visible text but no token ids, and refuses unknown fields. Responses have
    /// empty lists where no log-probabilities were asked for.
    package static let openAI: EngineProfile = {
        var profile = EngineProfile(name: "openai")
        profile.modelsWithoutResponseTokens = []
        profile.maximumTopLogprobs = 20
        profile.logprobsWhenOff = [.responses: .emptyArray]
        profile.unsetTopLogprobs = "0"
        profile.echoesUnusedTopLogprobs = true
        profile.fingerprint.hosts = ["api.openai.com"]
        // No owners: gateways of other engines write "openai" as well.
        return profile
    }()

    /// The same models at Azure.
    package static let azure: EngineProfile = {
        var profile = EngineProfile(name: "azure", like: .openAI)
        profile.fingerprint.hosts = [".openai.azure.com", ".services.ai.azure.com", ".cognitiveservices.azure.com"]
        profile.fingerprint.replyKeys = ["prompt_filter_results"]
        profile.fingerprint.choiceKeys = ["content_filter_results"]
        return profile
    }()
}
