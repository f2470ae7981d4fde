extension EngineProfile {
    /// An engine that has not been recognized. It is asked for what most self-hosted engines give, and its replies are
    /// restored to what most of them send.
    package static let generic: EngineProfile = {
        var profile = EngineProfile(name: "generic")
        profile.rules = [
            .asks(.chatCompletions, ids: [.flag("return_token_ids")]),
            .asks(.completions, ids: [.flag("return_token_ids")]),
            .asks(.responses, ids: [.flag("enable_response_messages")]),
        ]
        // It may be vLLM.
        profile.breaksResponseStreams = true
        return profile
    }()
}
