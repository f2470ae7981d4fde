extension EngineProfile {
    /// SGLang (`srt/entrypoints/openai/protocol.py`, `serving_chat.py`). Chat completions give ids as
    /// `response_token_ids` (pull request 30917); of a stream they are refused under the names of a whole reply, and
    /// come in one chunk at its end as `sglext` (pull request 34488). Older builds ignore all of these fields. What was
    /// not asked for is absent, but for `logprobs`.
    package static let sglang: EngineProfile = {
        var profile = EngineProfile(name: "sglang")
        profile.rules = [
            .asks(
                .chatCompletions, isStream: true,
                ids: [.flag("return_input_ids_in_sglext"), .flag("return_output_ids_in_sglext")]),
            .asks(.chatCompletions, ids: [.flag("return_token_ids"), .flag("return_prompt_token_ids")]),
            .asks(.completions, ids: [.flag("return_token_ids")]),
            // "logprobs are not supported in streaming mode"
            .asks(.responses, isStream: true, logprobs: .never),
        ]
        profile.idsOffForm = .absent
        // With a tool parser, log-probabilities held back come in a chunk of their own (pull request 28601).
        profile.blankEvents = [.chatCompletions]
        profile.marks.owners = ["sglang"]
        profile.marks.replyKeys = ["sglext"]
        profile.marks.choiceKeys = ["matched_stop", "response_token_ids"]
        profile.marks.refusals = ["return_token_ids is not supported with streaming", "in sglext"]
        return profile
    }()
}
