/// Recognises an engine by what it sends anyway; nothing is asked of it for this.
package enum EngineRecognition {
    /// By the host it is reached at.
    package static func profile(forHost host: String) -> EngineProfile? {
        let host = host.lowercased()
        return host == "api.openai.com" || host.hasSuffix(".openai.azure.com") ? .openAI : nil
    }

    /// By a reply's `Server` header. llama.cpp names itself there; vLLM only names uvicorn.
    package static func profile(forServerHeader server: String) -> EngineProfile? {
        server.lowercased().hasPrefix("llama.cpp") ? .llamaCpp : nil
    }

    /// By `owned_by` in a list of models.
    package static func profile(forOwner owner: String) -> EngineProfile? {
        switch owner {
        case "vllm": .vllm
        case "llamacpp": .llamaCpp
        case "openai", "system", "openai-internal": .openAI
        default: nil
        }
    }

    /// By `system_fingerprint`: `vllm-0.32.0-…`, or llama.cpp's build, `b4711-abcdef`.
    package static func profile(forFingerprint fingerprint: String) -> EngineProfile? {
        if fingerprint.hasPrefix("vllm-") { return .vllm }
        let parts = fingerprint.split(separator: "-", maxSplits: 1)
        if parts.count == 2, parts[0].first == "b", parts[0].count > 1, parts[0].dropFirst().allSatisfy(\.isNumber) {
            return .llamaCpp
        }
        return nil
    }

    /// By the wording of a refusal that only one engine uses.
    package static func profile(forRefusal message: String) -> EngineProfile? {
        message.contains("logprobs is not supported with tools + stream") ? .llamaCpp : nil
    }
}
