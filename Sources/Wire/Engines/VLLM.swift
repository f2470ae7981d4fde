extension EngineProfile {
    /// vLLM. `return_token_ids` since 0.10.2 (pull request 22587); older ones ignore it. Replies are dumped with all
    /// their nulls, so what is off stands there as `null` (`entrypoints/openai/chat_completion/serving.py`).
    package static let vllm: EngineProfile = {
        var profile = EngineProfile(name: "vllm")
        profile.takesReturnTokenIDs = true
        return profile
    }()
}
