extension EngineProfile {
    /// LM Studio ignores the fields for log-probabilities in chat completions (lms issue 60), and answers with empty
    /// lists in responses (bug tracker, issue 1420): nothing is asked for, text is captured.
    package static let lmStudio: EngineProfile = {
        var profile = EngineProfile(name: "lmstudio")
        profile.rules = [
            .asks(.chatCompletions, logprobs: .never),
            .asks(.completions, logprobs: .never),
            .asks(.responses, logprobs: .never),
        ]
        profile.marks.owners = ["organization_owner"]
        profile.marks.replyKeys = ["stats"]
        return profile
    }()
}
