package import VerbatimSchema

/// The token data that the proxy has turned on in a request because the agent had not.
package struct Injection: Hashable, Sendable {
    /// Number of alternatives for each token; nil if log-probabilities were not injected.
    package var topLogprobs: Int?
    /// The field by which they were asked for.
    package var logprobs = EngineProfile.LogprobsField.flag
    /// The fields that ask for token ids, in the order in which they were set.
    package var ids: [EngineProfile.IDField] = []

    package init() {}

    package var isEmpty: Bool { topLogprobs == nil && ids.isEmpty }

    /// Whether an engine that has accepted this injection can be expected to accept `other`.
    package func covers(_ other: Injection) -> Bool {
        if !other.ids.allSatisfy(ids.contains) { return false }
        guard let top = other.topLogprobs else { return true }
        return top <= topLogprobs ?? -1 && logprobs == other.logprobs
    }

    /// Adds what `other` turns on.
    package mutating func formUnion(_ other: Injection) {
        for id in other.ids where !ids.contains(id) { ids.append(id) }
        guard let top = other.topLogprobs else { return }
        topLogprobs = logprobs == other.logprobs ? max(top, topLogprobs ?? top) : top
        logprobs = other.logprobs
    }
}

/// What an engine is known to accept.
package struct InjectionLimits: Hashable, Sendable {
    package var logprobs = true
    package var tokenIDs = true
    /// Highest number of alternatives for each token; nil if no limit is known.
    package var maximumTopLogprobs: Int?

    package init() {}

    /// Nothing may be injected.
    package static let nothing: InjectionLimits = {
        var injectionLimits = InjectionLimits()
        injectionLimits.logprobs = false
        injectionLimits.tokenIDs = false
        return injectionLimits
    }()

    /// These limits, with at most so many alternatives; nil for no further limit.
    package func capped(at maximum: Int?) -> InjectionLimits {
        guard let maximum else { return self }
        var limits = self
        limits.maximumTopLogprobs = min(maximum, maximumTopLogprobs ?? maximum)
        return limits
    }

    /// The problem codes for what could not be injected.
    package var problems: [ProblemCode] {
        if !logprobs { return [ProblemCode.logprobsRefused] }
        var problems: [ProblemCode] = []
        if !tokenIDs { problems.append(ProblemCode.tokenIDsRefused) }
        if maximumTopLogprobs != nil { problems.append(ProblemCode.topLogprobsLowered) }
        return problems
    }
}
