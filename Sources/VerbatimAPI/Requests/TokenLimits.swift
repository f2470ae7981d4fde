import VerbatimJSON

/// The fields that limit how many tokens a turn generates, in the spellings of all APIs and engines.
///
/// An engine reads more than its API says: llama.cpp takes `n_predict` before `max_tokens`, SGLang and gateways take
/// their own names in objects of their own. A cap must cover all of them to bind.
enum TokenLimits {
    static let names = [
        "max_tokens", "max_completion_tokens", "max_output_tokens",
        // llama.cpp and Ollama
        "n_predict", "num_predict",
        // SGLang, TGI and Transformers
        "max_new_tokens", "max_length",
        // Gateways
        "max_tokens_to_sample", "max_gen_len", "maxOutputTokens", "maxTokens",
    ]

    /// The objects in which engines and gateways look for them.
    static let parents = ["sampling_params", "parameters", "options", "generation_config", "extra_body"]
}

extension RequestFields {
    /// Lowers the limits that the request sets to the policy's, and sets one where the request has none.
    ///
    /// The cap holds for each choice: `n` and `best_of` are left alone.
    ///
    /// - Parameters:
    ///   - own: The names of the limit in the request's API. The first is set if none of them is there.
    ///   - acceptsZero: Whether 0 is a limit there.
    mutating func cap(_ own: [String], acceptsZero: Bool = true, by policy: RequestPolicy) {
        guard let cap = policy.maxTokensCap else { return }
        removeOtherSpellings(of: TokenLimits.names)
        for name in TokenLimits.names {
            let isOwn = own.contains(name)
            // Null is no limit, but another name may have one.
            guard let limit = value(name), !(isOwn && limit.isNull) else { continue }
            if !Self.isWithin(cap, limit, acceptsZero: acceptsZero || !isOwn) { set(name, to: cap) }
        }
        for parent in TokenLimits.parents where value(parent)?.isObject ?? false {
            for name in TokenLimits.names {
                guard let limit = value(name, in: parent), !Self.isWithin(cap, limit, acceptsZero: true) else {
                    continue
                }
                set(Array(String(cap).utf8), at: [parent, name])
            }
        }
        if own.allSatisfy({ value($0)?.isNull ?? true }), let name = own.first { set(name, to: cap) }
    }

    private static func isWithin(_ cap: Int, _ limit: Value, acceptsZero: Bool) -> Bool {
        guard let number = limit.naturalNumber else { return false }
        return number <= Double(cap) && (number > 0 || acceptsZero)
    }
}
