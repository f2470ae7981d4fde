extension EngineProfile {
    /// LM Studio ignores the fields for log-probabilities in chat completions (lms issue 60), and sends empty lists in
    /// responses (bug tracker, issue 1420). So nothing is asked for, and text is captured.
    package static let lmStudio: EngineProfile = {
        var profile = EngineProfile(name: "lmstudio")
        profile.rules = [
            .asks(.chatCompletions, logprobs: .never),
            .asks(.completions, logprobs: .never),
            .asks(.responses, logprobs: .never),
        ]
        profile.fingerprint.owners = ["organization_owner"]
        profile.fingerprint.replyKeys = ["stats"]
        return profile
    }()
}
