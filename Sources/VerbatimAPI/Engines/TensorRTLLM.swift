extension EngineProfile {
    /// TensorRT-LLM's `trtllm-serve` (issue 9709) refuses unknown fields. It gives ids only instead of the agent's text
    /// (`detokenize: false`), so none are asked for.
    package static let tensorRTLLM: EngineProfile = {
        var profile = EngineProfile(name: "tensorrt-llm")
        profile.fingerprint.owners = ["tensorrt_llm"]
        profile.fingerprint.choiceKeys = ["disaggregated_params", "avg_decoded_tokens_per_iter"]
        return profile
    }()
}
