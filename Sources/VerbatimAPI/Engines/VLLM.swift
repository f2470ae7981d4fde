extension EngineProfile {
    /// vLLM. `return_token_ids` since 0.10.2 (pull request 22587); older ones ignore it, and before 0.6.5 refuse it.
    /// Replies are dumped with all their nulls, so what is off stands there as `null`
    /// (`entrypoints/openai/chat_completion/serving.py`).
    package static let vllm: EngineProfile = {
        var profile = EngineProfile(name: "vllm")
        profile.rules = [
            .asks(.chatCompletions, ids: [.flag("return_token_ids")]),
            .asks(.completions, ids: [.flag("return_token_ids")]),
            .asks(.responses, ids: [.flag("enable_response_messages")]),
        ]
        // A token without text makes no event (`entrypoints/openai/responses/serving.py`).
        profile.responseStreamsOmitEndToken = true
        profile.marks.owners = ["vllm"]
        profile.marks.fingerprints = ["vllm-*"]
        profile.marks.fingerprintIsVersion = true
        profile.marks.replyKeys = ["prompt_token_ids", "kv_transfer_params"]
        profile.marks.choiceKeys = ["token_ids", "stop_reason"]
        return profile
    }()
}
