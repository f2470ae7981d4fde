extension EngineProfile {
    /// OpenAI: log-probabilities of visible text but no token ids, and unknown fields are refused. Responses carry
    /// empty lists where none were asked for.
    package static let openAI: EngineProfile = {
        var profile = EngineProfile(name: "openai")
        profile.modelsWithoutResponseTokens = []
        profile.maximumTopLogprobs = 20
        profile.logprobsOffForms = [.responses: .emptyArray]
        profile.unsetTopLogprobs = "0"
        profile.echoesUnusedTopLogprobs = true
        profile.marks.hosts = ["api.openai.com"]
        // No owners: gateways of other engines write "openai", too.
        return profile
    }()

    /// The same models at Azure.
    package static let azure: EngineProfile = {
        var profile = EngineProfile(name: "azure", like: .openAI)
        profile.marks.hosts = [".openai.azure.com", ".services.ai.azure.com", ".cognitiveservices.azure.com"]
        profile.marks.replyKeys = ["prompt_filter_results"]
        profile.marks.choiceKeys = ["content_filter_results"]
        return profile
    }()
}
