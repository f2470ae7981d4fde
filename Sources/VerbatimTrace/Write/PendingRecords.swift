/// The records that wait to be written, and whether turns may start. Does no I/O.
struct PendingRecords: Sendable {
    typealias Completion = @Sendable (Result<Void, TraceError>) -> Void

    struct Entry: Sendable {
        let shared: SharedRecord
        /// To be told how the first attempt ended; `nil` once it has failed.
        var whenKept: Completion?
        let size: Int

        /// What is to be written.
        var record: TurnRecord {
            var record = shared.record
            if whenKept == nil { record.markWriteFailed() }
            return record
        }
    }

    /// What the caller has to do after a record was added.
    enum AddAction {
        case startWriting
        /// The writer is at work and will find the record.
        case none
        case refuse(TraceError)
    }

    private(set) var statistics = TraceStatistics()
    private(set) var isClosed = false
    /// Why the last attempt to write failed, until all is written.
    private(set) var failure: WriteFailure?

    private let maximumBytes: Int
    private var added: [Entry] = []
    private var isWriting = false
    private var isRetryDue = false

    init(maximumBytes: Int) {
        self.maximumBytes = maximumBytes
    }

    /// Why no turn may start now.
    var refusal: String? {
        if isClosed { return "the trace is closed" }
        if let failure { return "the trace cannot be written: \(failure.reason)" }
        if statistics.pendingBytes > maximumBytes {
            return "too many records wait to be written to the trace: \(statistics.pendingBytes) bytes"
        }
        return nil
    }

    mutating func countRefusal() { statistics.refused += 1 }

    // MARK: Adding

    mutating func add(_ shared: SharedRecord, whenKept: @escaping Completion) -> AddAction {
        if isClosed {
            statistics.failed += 1
            return .refuse(TraceError(.cannotWrite, message: "the trace is closed"))
        }
        let size = shared.record.estimatedSize
        added.append(Entry(shared: shared, whenKept: whenKept, size: size))
        statistics.pending += 1
        statistics.pendingBytes += size
        if isWriting { return .none }
        isWriting = true
        return .startWriting
    }

    mutating func close() { isClosed = true }

    // MARK: Writing

    /// Whether the writer, called by the clock and not for a record, has something to do.
    mutating func startRetry() -> Bool {
        isRetryDue = false
        return startWriting()
    }

    /// Whether the writer has something to do that nobody has called it for yet.
    mutating func startWriting() -> Bool {
        if isWriting || isClosed { return false }
        isWriting = true
        return true
    }

    /// The records added since, for the writer to write; if there are none, it has finished.
    mutating func take() -> [Entry] {
        defer { added = [] }
        if added.isEmpty { isWriting = false }
        return added
    }

    mutating func noteWritten(_ entries: [Entry]) {
        statistics.recorded += entries.count
        forget(entries)
    }

    /// Notes that all that is pending is written; answers whether that ends a failure.
    mutating func endFailure() -> Bool {
        defer { failure = nil }
        return failure != nil
    }

    /// What the writer has to do after a failure.
    struct FailAction {
        /// Whether writing worked until now.
        let isNew: Bool
        /// Whether the writer is to be called again later.
        let schedulesRetry: Bool
        /// To be told of the failure, in this order.
        let completions: [Completion]
    }

    /// Notes that `entries`, which the writer had taken, could not be written: they and all added since stay, marked as
    /// such, to be tried again. The writer has finished.
    mutating func noteFailure(_ failure: WriteFailure, of entries: [Entry]) -> FailAction {
        added = entries + added
        var completions: [Completion] = []
        for index in added.indices {
            guard let completion = added[index].whenKept else { continue }
            completions.append(completion)
            added[index].whenKept = nil
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

    /// Gives up what is still pending; answers how many records that is.
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

/// What has become of the records, counted since the start.
package struct TraceStatistics: Hashable, Sendable {
    /// Records in the trace, also those written late.
    package internal(set) var recorded = 0
    /// Records that could not be written when their turn ended.
    package internal(set) var failed = 0
    /// Turns refused because their records could not have been kept.
    package internal(set) var refused = 0
    /// Records that were never written.
    package internal(set) var lost = 0
    /// Records that wait now.
    package internal(set) var pending = 0
    /// About how much memory they take.
    package internal(set) var pendingBytes = 0
}
