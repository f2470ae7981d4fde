internal import Synchronization

/// ``PendingRecords``, shared by the threads that submit records and the writer.
final class RecordQueue: Sendable {
    private let pending: Mutex<PendingRecords>
    /// Whether `pending` has a refusal. Each turn reads this without the lock, since there rarely is one.
    private let hasRefusal = Atomic(false)
    /// The sums over this queue and others.
    private let totals: TraceTotals?

    init(maximumBytes: Int, totals: TraceTotals? = nil) {
        pending = Mutex(PendingRecords(maximumBytes: maximumBytes))
        self.totals = totals
    }

    var refusal: String? {
        guard hasRefusal.load(ordering: .relaxed) else { return nil }
        return pending.withLock { $0.refusal }
    }

    var statistics: TraceStatistics { pending.withLock { $0.statistics } }

    /// Why the last attempt to write failed, until everything is written.
    var failure: WriteFailure? { pending.withLock { $0.failure } }

    @discardableResult
    func update<Result: Sendable>(_ body: (inout PendingRecords) -> Result) -> Result {
        pending.withLock { pending in
            let earlier = totals.map { _ in pending.state }
            let result = body(&pending)
            hasRefusal.store(pending.refusal != nil, ordering: .relaxed)
            if let totals, let earlier { totals.note(pending.state, after: earlier) }
            return result
        }
    }
}
