/// The records that wait to be written, and whether turns may start. A state machine without I/O: methods return what
/// the caller must do.
struct PendingRecords: Sendable {
    typealias Completion = @Sendable (Result<Void, TraceError>) -> Void

    struct Entry: Sendable {
        let shared: SharedRecord
        /// Reports the result of the first attempt; nil once that has failed.
        var onPersisted: Completion?
        let size: Int
        let unfinishedTurns: [Int]

        /// The record to write.
        var record: TurnRecord {
            var record = shared.record
            record.unfinishedTurns = unfinishedTurns
            if onPersisted == nil { record.markWriteFailed() }
            return record
        }
    }

    /// What the caller must do after adding a record.
    enum AddAction {
        case startWriting
        /// Nothing: the writer is running and will find the record.
        case none
        case refuse(TraceError)
    }

    private(set) var statistics = TraceStatistics()
    private(set) var isClosed = false
    /// The reason for the last failed write; nil again once everything is written.
    private(set) var failure: WriteFailure?

    private let maximumBytes: Int
    private var added: [Entry] = []
    private var isWriting = false
    private var isRetryDue = false

    init(maximumBytes: Int) {
        self.maximumBytes = maximumBytes
    }

    /// The reason why no turn may start now, or nil.
    var refusal: String? {
        if isClosed { return "the trace is closed" }
        if let failure { return "the trace cannot be written: \(failure.reason)" }
        if statistics.pendingBytes > maximumBytes {
            return "too many records wait to be written to the trace: \(statistics.pendingBytes) bytes"
        }
        return nil
    }

    /// What others sum up.
    var state: TraceTotals.Part { TraceTotals.Part(statistics: statistics, failure: failure) }

    mutating func countRefusal() { statistics.refused += 1 }

    // MARK: Adding

    /// - Parameter unfinishedTurns: Earlier turns of the session that have no record yet.
    mutating func add(_ submission: RecordSubmission, unfinishedTurns: [Int] = []) -> AddAction {
        if isClosed {
            statistics.failed += 1
            return .refuse(
                TraceError(.closed, message: "the trace is closed", reason: "the trace is closed"))
        }
        let size = submission.record.record.estimatedSize
        added.append(
            Entry(
                shared: submission.record, onPersisted: submission.onPersisted, size: size,
                unfinishedTurns: unfinishedTurns))
        statistics.pending += 1
        statistics.pendingBytes += size
        if isWriting { return .none }
        isWriting = true
        return .startWriting
    }

    mutating func close() { isClosed = true }

    // MARK: Writing

    /// Starts the writer for a retry that is due. Returns false if it must not run.
    mutating func startRetry() -> Bool {
        isRetryDue = false
        return startWriting()
    }

    /// Starts the writer. Returns false if it must not run: it is running, or the recorder is closed.
    mutating func startWriting() -> Bool {
        if isWriting || isClosed { return false }
        isWriting = true
        return true
    }

    /// Hands the added records to the writer. If there are none, the writer has finished.
    mutating func take() -> [Entry] {
        defer { added = [] }
        if added.isEmpty { isWriting = false }
        return added
    }

    mutating func noteWritten(_ entries: [Entry]) {
        statistics.recorded += entries.count
        forget(entries)
    }

    /// Notes that everything is written. Returns whether that ends a failure.
    mutating func endFailure() -> Bool {
        defer { failure = nil }
        return failure != nil
    }

    /// What the writer must do after a failure.
    struct FailAction {
        /// Whether this is the first failure, so that it must be logged.
        let isNew: Bool
        /// Whether a retry must be scheduled.
        let schedulesRetry: Bool
        /// The completions to call, in this order.
        let completions: [Completion]
    }

    /// Notes that `entries`, which the writer had taken, could not be written. They and all entries added since are
    /// marked as failed and kept for the next attempt. The writer has finished.
    mutating func noteFailure(_ failure: WriteFailure, of entries: [Entry]) -> FailAction {
        added = entries + added
        var completions: [Completion] = []
        for index in added.indices {
            guard let completion = added[index].onPersisted else { continue }
            completions.append(completion)
            added[index].onPersisted = nil
        }
        statistics.failed += completions.count
        let action = FailAction(
            isNew: self.failure == nil,
            schedulesRetry: !isRetryDue && !isClosed,
            completions: completions
        )
        self.failure = failure
        isWriting = false
        if action.schedulesRetry { isRetryDue = true }
        return action
    }

    /// Drops all pending records. Returns how many there were.
    mutating func abandon() -> Int {
        let count = added.count
        forget(added)
        statistics.lost += count
        added = []
        return count
    }

    private mutating func forget(_ entries: [Entry]) {
        statistics.pending -= entries.count
        for entry in entries { statistics.pendingBytes -= entry.size }
    }
}
