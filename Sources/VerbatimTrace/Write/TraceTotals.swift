internal import Synchronization

/// What several recorders have done together, and whether any of them may go on.
final class TraceTotals: Sendable {
    /// What one recorder adds.
    struct Part: Sendable {
        let statistics: TraceStatistics
        let failure: WriteFailure?

        fileprivate var isFailing: Bool { failure?.concernsFolder ?? false }
    }

    private struct State {
        var statistics = TraceStatistics()
        /// The recorders that cannot write for a reason that concerns all.
        var failing = 0
        /// The reason of the last of them.
        var reason = ""
    }

    private let maximumPendingBytes: Int
    private let state = Mutex(State())
    /// Whether there is a refusal. Each turn reads this without the lock, since there rarely is one.
    private let hasRefusal = Atomic(false)

    init(maximumPendingBytes: Int) { self.maximumPendingBytes = maximumPendingBytes }

    var statistics: TraceStatistics { state.withLock { $0.statistics } }

    /// The reason why no turn may start now, or nil.
    var refusal: String? {
        guard hasRefusal.load(ordering: .relaxed) else { return nil }
        return state.withLock { refusal(in: $0) }
    }

    private func refusal(in state: State) -> String? {
        if state.failing > 0 { return "the trace cannot be written: \(state.reason)" }
        let pending = state.statistics.pendingBytes
        if pending > maximumPendingBytes {
            return "too many records wait to be written to the trace: \(pending) bytes"
        }
        return nil
    }

    func note(_ part: Part, after earlier: Part) {
        update { state in
            state.statistics.add(part.statistics, after: earlier.statistics)
            if part.isFailing { state.reason = part.failure?.reason ?? "" }
            if part.isFailing != earlier.isFailing { state.failing += part.isFailing ? 1 : -1 }
        }
    }

    func countRefusal() { update { $0.statistics.refused += 1 } }

    /// Counts records that came after the end.
    func countRefused(_ count: Int) { update { $0.statistics.failed += count } }

    /// Counts records that no recorder could take.
    func countLost(_ count: Int) {
        update { state in
            state.statistics.failed += count
            state.statistics.lost += count
        }
    }

    private func update(_ body: (inout State) -> Void) {
        state.withLock { state in
            body(&state)
            hasRefusal.store(refusal(in: state) != nil, ordering: .relaxed)
        }
    }
}

extension TraceStatistics {
    fileprivate mutating func add(_ new: TraceStatistics, after earlier: TraceStatistics) {
        recorded += new.recorded - earlier.recorded
        failed += new.failed - earlier.failed
        refused += new.refused - earlier.refused
        lost += new.lost - earlier.lost
        pending += new.pending - earlier.pending
        pendingBytes += new.pendingBytes - earlier.pendingBytes
    }
}
