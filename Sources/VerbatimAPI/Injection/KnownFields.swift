package import VerbatimJSON

/// The fields of requests that the proxy reads or sets. Nothing else of a request is located, so that what a request
/// takes does not depend on how many members it has. A field that is missing here is found by reading the body again,
/// which `scripts/bench-core` shows.
package enum KnownFields {
    private static let fields =
        [
            "model", "stream", "n", "stop", "tools", "logprobs", "top_logprobs", "n_probs", "prompt_logprobs",
            "include", "echo", "prompt", "prompt_embeds", "messages", "input", "background", "reasoning_effort",
            "logprob_token_ids", "previous_response_id", "conversation",
        ] + TokenLimits.names

    private static let nested: [(parent: String, names: [String])] =
        [
            ("reasoning", ["effort"]), ("chat_template_kwargs", ["enable_thinking"]),
            ("provider", ["require_parameters"]),
        ]
        + TokenLimits.parents.map { ($0, TokenLimits.names) }

    package static let names = names(adding: [], nested: [])

    /// The names of all known fields and of further ones.
    package static func names(
        adding others: [String], nested othersNested: [(parent: String, names: [String])]
    ) -> MemberNames {
        var flags: [String] = []
        var lists: [(parent: String, names: [String])] = []
        for field in EngineProfile.idFields {
            switch field {
            case .flag(let name): flags.append(name)
            case .member(_, let list, let parent): lists.append((parent, [list]))
            }
        }
        return MemberNames(fields + flags + others, nested: nested + lists + othersNested)
    }
}

extension RequestDocument {
    /// Locates the known fields of a request.
    package init(body: [UInt8]) throws(RequestError) { try self.init(body: body, names: KnownFields.names) }
}
