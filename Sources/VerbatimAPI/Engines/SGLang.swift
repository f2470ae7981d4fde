extension EngineProfile {
    /// SGLang (`srt/entrypoints/openai/protocol.py`, `serving_chat.py`). Chat completions give ids as
    /// `response_token_ids` (pull request 30917). Streams have other fields for them: the ids come in one chunk at the
    /// end, as `sglext` (pull request 34488), and the fields of a whole reply are refused. Older builds ignore all of
    /// these fields. A field that was not asked for is absent, except `logprobs`.
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
        profile.idsWhenOff = .absent
        // With a tool parser, log-probabilities that were held back come in a separate chunk (pull request 28601).
        profile.blankEvents = [.chatCompletions]
        profile.fingerprint.owners = ["sglang"]
        profile.fingerprint.replyKeys = ["sglext"]
        profile.fingerprint.choiceKeys = ["matched_stop", "response_token_ids"]
        profile.fingerprint.refusals = ["return_token_ids is not supported with streaming", "in sglext"]
        return profile
    }()
}
