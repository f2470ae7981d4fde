extension EngineProfile {
    /// An engine that has not been recognised: asked for what most self-hosted engines give, restored as most look.
    package static let generic: EngineProfile = {
        var profile = EngineProfile(name: "generic")
        profile.rules = [
            .asks(.chatCompletions, ids: [.flag("return_token_ids")]),
            .asks(.completions, ids: [.flag("return_token_ids")]),
            .asks(.responses, ids: [.flag("enable_response_messages")]),
        ]
        return profile
    }()
}
