extension EngineProfile {
    /// TensorRT-LLM's `trtllm-serve` (issue 9709): fields that it does not know are refused, so that no ids can be had
    /// without changing the agent's text (`detokenize: false`).
    package static let tensorRTLLM: EngineProfile = {
        var profile = EngineProfile(name: "tensorrt-llm")
        profile.marks.owners = ["tensorrt_llm"]
        profile.marks.choiceKeys = ["disaggregated_params", "avg_decoded_tokens_per_iter"]
        return profile
    }()
}
