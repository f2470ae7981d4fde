package import VerbatimSchema

/// What the proxy turned on in a request that the agent had not turned on itself.
package struct Injection: Hashable, Sendable {
    /// Log-probabilities, with this many alternatives per token.
    package var topLogprobs: Int?
    /// By what field they were asked for.
    package var logprobs = EngineProfile.TokenDataFields.Logprobs.flag
    /// The fields that ask for token ids, in the order they were set.
    package var ids: [EngineProfile.IDRequest] = []

    package init() {}

    package var isEmpty: Bool { topLogprobs == nil && ids.isEmpty }

    /// Whether an engine that took this can be expected to take `other`.
    package func covers(_ other: Injection) -> Bool {
        if !other.ids.allSatisfy(ids.contains) { return false }
        guard let top = other.topLogprobs else { return true }
        return top <= topLogprobs ?? -1 && logprobs == other.logprobs
    }

    /// Adds what `other` turned on beyond this.
    package mutating func formUnion(_ other: Injection) {
        for id in other.ids where !ids.contains(id) { ids.append(id) }
        guard let top = other.topLogprobs else { return }
        topLogprobs = logprobs == other.logprobs ? max(top, topLogprobs ?? top) : top
        logprobs = other.logprobs
    }
}

/// How much an engine is known to put up with.
package struct InjectionLimits: Hashable, Sendable {
    package var logprobs = true
    package var tokenIDs = true
    /// Most alternatives per token; `nil` if no limit is known.
    package var maximumTopLogprobs: Int?

    package init() {}

    /// Nothing may be injected.
    package static let nothing: InjectionLimits = {
        var injectionLimits = InjectionLimits()
        injectionLimits.logprobs = false
        injectionLimits.tokenIDs = false
        return injectionLimits
    }()

    /// Problem codes that tell of what could not be injected.
    package var problems: [ProblemCode] {
        if !logprobs { return [ProblemCode.logprobsRefused] }
        var problems: [ProblemCode] = []
        if !tokenIDs { problems.append(ProblemCode.tokenIDsRefused) }
        if maximumTopLogprobs != nil { problems.append(ProblemCode.topLogprobsLowered) }
        return problems
    }
}
