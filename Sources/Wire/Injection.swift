/// What the proxy turned on in a request that the agent had not turned on itself.
package struct Injection: Hashable, Sendable {
    /// Log-probabilities, with this many alternatives per token.
    package var topLogprobs: Int?
    /// Token ids.
    package var tokenIDs = false
    /// llama.cpp's own name for log-probabilities, where it refuses the common one.
    package var usesNProbs = false

    package init() {}

    package var isEmpty: Bool { self == Injection() }

    /// Whether an engine that took this can be expected to take `other`.
    package func covers(_ other: Injection) -> Bool {
        if other.tokenIDs && !tokenIDs { return false }
        guard let top = other.topLogprobs else { return true }
        return top <= topLogprobs ?? -1 && usesNProbs == other.usesNProbs
    }

    /// Adds what `other` turned on beyond this.
    package mutating func formUnion(_ other: Injection) {
        tokenIDs = tokenIDs || other.tokenIDs
        guard let top = other.topLogprobs else { return }
        topLogprobs = usesNProbs == other.usesNProbs ? max(top, topLogprobs ?? top) : top
        usesNProbs = other.usesNProbs
    }
}

/// How much an engine is known to put up with.
package struct Allowance: Hashable, Sendable {
    package var logprobs = true
    package var tokenIDs = true
    /// Most alternatives per token; `nil` if no limit is known.
    package var maximumTopLogprobs: Int?

    package init() {}

    /// Nothing may be injected.
    package static let nothing: Allowance = {
        var allowance = Allowance()
        allowance.logprobs = false
        allowance.tokenIDs = false
        return allowance
    }()

    /// Problem codes that tell of what could not be injected.
    package var problems: [String] {
        if !logprobs { return [Problem.logprobsRefused] }
        var problems: [String] = []
        if !tokenIDs { problems.append(Problem.tokenIDsRefused) }
        if maximumTopLogprobs != nil { problems.append(Problem.topLogprobsLowered) }
        return problems
    }
}
