import VerbatimJSON

extension Budgets {
    /// A limit that is reached.
    package struct Excess: Hashable, Sendable {
        /// The name of the limit, as in the request.
        package let limit: String
        package let mode: Mode
    }

    /// Returns the first limit that leaves no room for another turn.
    ///
    /// - Parameters:
    ///   - begun: Turns that have begun, finished or not.
    ///   - now: Unix time in seconds.
    package func excess(of use: RolloutUse, begun: Int, at now: Double) -> Excess? {
        func isReached(_ limit: Int?, _ used: Int) -> Bool { limit.map { used >= $0 } ?? false }
        let limit: String? =
            if isReached(calls, begun) {
                "calls"
            } else if isReached(promptTokens, use.promptTokens) {
                "prompt_tokens"
            } else if isReached(completionTokens, use.completionTokens) {
                "completion_tokens"
            } else if isReached(totalTokens, use.totalTokens) {
                "total_tokens"
            } else if let wallClock, let first = use.firstCall, now - first >= wallClock {
                "wall_clock_s"
            } else if let idle, let last = use.lastCall, now - last >= idle {
                "idle_s"
            } else {
                nil
            }
        return limit.map { Excess(limit: $0, mode: mode) }
    }

    /// The most tokens that a turn may generate, in the mode `cut`; nil for no limit.
    package func completionTokensLeft(of use: RolloutUse) -> Int? {
        guard mode == .cut else { return nil }
        let left = [completionTokens.map { $0 - use.completionTokens }, totalTokens.map { $0 - use.totalTokens }]
        return left.compactMap(\.self).min().map { max($0, 1) }
    }

    /// When a turn must have ended, as Unix time; nil for no limit.
    package func deadline(of use: RolloutUse) -> Double? {
        guard let wallClock, let first = use.firstCall else { return nil }
        return first + wallClock
    }

    /// Writes what is left of each limit that is set.
    func writeLeft(of use: RolloutUse, begun: Int, at now: Double, to json: inout JSONWriter) {
        json.object("left") { json in
            if let calls { json.member("calls", max(0, calls - begun)) }
            if let promptTokens { json.member("prompt_tokens", max(0, promptTokens - use.promptTokens)) }
            if let completionTokens {
                json.member("completion_tokens", max(0, completionTokens - use.completionTokens))
            }
            if let totalTokens { json.member("total_tokens", max(0, totalTokens - use.totalTokens)) }
            if let wallClock {
                json.member("wall_clock_s", seconds: max(0, wallClock - (use.firstCall.map { now - $0 } ?? 0)))
            }
            if let idle { json.member("idle_s", seconds: max(0, idle - (use.lastCall.map { now - $0 } ?? 0))) }
        }
    }
}
