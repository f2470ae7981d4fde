extension EngineProfile {
    /// vLLM. It has `return_token_ids` since 0.10.2 (pull request 22587); older versions ignore it, and versions before
    /// 0.6.5 refuse it. Replies contain all fields, so a field that is off is `null`
    /// (`entrypoints/openai/chat_completion/serving.py`).
    package static let vllm: EngineProfile = {
        var profile = EngineProfile(name: "vllm")
        profile.rules = [
            .asks(.chatCompletions, ids: [.flag("return_token_ids")]),
            .asks(.completions, ids: [.flag("return_token_ids")]),
            .asks(.responses, ids: [.flag("enable_response_messages")]),
        ]
        // `top_logprobs: 0` gives them, and so does an absent one.
        profile.nullTopLogprobsMeansNone = true
        // A token without text makes no event (`entrypoints/openai/responses/serving.py`).
        profile.responseStreamsOmitEndToken = true
        profile.fingerprint.owners = ["vllm"]
        profile.fingerprint.systemFingerprints = ["vllm-*"]
        profile.fingerprint.systemFingerprintIsVersion = true
        profile.fingerprint.replyKeys = ["prompt_token_ids", "kv_transfer_params"]
        profile.fingerprint.choiceKeys = ["token_ids", "stop_reason"]
        profile.breaksResponseStreams = true
        return profile
    }()
}
