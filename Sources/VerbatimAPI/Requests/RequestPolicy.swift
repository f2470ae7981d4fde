package import VerbatimSchema

/// What is to be captured of each turn (`--capture`).
package enum CaptureGoal: String, CaseIterable, Sendable {
    /// Token ids and log-probabilities.
    case tokens
    /// Log-probabilities only.
    case logprobs
    /// What the agent receives; nothing is injected.
    case text
    /// Nothing; exchanges are only forwarded.
    case off
}

/// The lowest capture level at which a turn is accepted (`--require-capture`).
package enum CaptureRequirement: String, CaseIterable, Sendable {
    /// Token ids and log-probabilities of every token.
    case tokens
    /// Token ids and log-probabilities, but some may be missing.
    case partialTokens = "partial-tokens"
    /// Log-probabilities.
    case logprobs
}

/// What is done to every captured request, whatever the engine.
package struct RequestPolicy: Sendable {
    package var goal: CaptureGoal = .tokens
    package var detail: TraceDetail = .entries
    /// Alternatives per token, 0…20.
    package var topLogprobs = 5
    /// Upper bound of the tokens of each choice, whatever field limits them.
    package var maxTokensCap: Int?
    /// Sets `chat_template_kwargs.enable_thinking` to false unless the agent set it.
    package var disablesThinking = false
    /// Replaces `model`.
    package var modelOverride: String?
    /// Fields that overwrite the agent's, as name and JSON text.
    package var sampling: [(name: String, value: [UInt8])] = []

    /// Whether a request that failed with status 500 is repeated once without the injection.
    package var retriesServerErrors = false
    /// A turn that would be captured below this is refused.
    package var requirement: CaptureRequirement?

    package init() {}

    /// Whether a turn that may be captured at this level, or was captured so, can meet the requirement.
    package func isSatisfied(by level: CaptureLevel) -> Bool {
        switch requirement {
        case nil: true
        case .tokens, .partialTokens: level == .tokens
        case .logprobs: level == .tokens || level == .logprobs
        }
    }

    /// Whether a turn meets the requirement that was captured at this level.
    ///
    /// - Parameter isComplete: Whether every token was captured.
    package func isSatisfied(by level: CaptureLevel, isComplete: Bool) -> Bool {
        isSatisfied(by: level) && (isComplete || requirement != .tokens)
    }

    /// The policy for a request that the engine will refuse: it is forwarded, and nothing is asked for.
    package var withoutTokenData: RequestPolicy {
        var policy = self
        if policy.wantsTokenData { policy.goal = .text }
        policy.requirement = nil
        return policy
    }

    /// The policy for a turn that may generate this many tokens, which its choices share, and no more than the cap. A
    /// choice has at least one token, since engines refuse a limit of 0 or take it for none.
    package func limited(toTokens tokens: Int, choices: Int) -> RequestPolicy {
        var policy = self
        let share = max(1, tokens / max(1, choices))
        policy.maxTokensCap = min(share, maxTokensCap ?? share)
        return policy
    }

    /// Whether log-probabilities or token ids are asked for.
    package var wantsTokenData: Bool { goal == .tokens || goal == .logprobs }
}

/// Where a record has the engine's own log-probability entries, with their alternatives (`--trace-detail`).
package enum TraceDetail: String, CaseIterable, Sendable {
    /// In `logprobs`. In `response`, null takes their place.
    case entries
    /// In `logprobs` and, as sent, in `response`.
    case full
    /// Nowhere.
    case compact

    package var keepsEntries: Bool { self != .compact }
}
