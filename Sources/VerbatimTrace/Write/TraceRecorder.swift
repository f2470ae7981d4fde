internal import Dispatch
import VerbatimPlatform

/// The sink that writes a trace file: numbers turns, and writes their records in the order of submission on a thread of
/// its own.
///
/// The writer encodes all waiting records and hands each batch to the kernel in one call. If that fails, the records
/// stay, the writer tries again later, and ``refusal`` gives the reason until it has succeeded. If the file is renamed,
/// deleted or replaced, the writer continues in a new one (``reopen(whenDone:)``).
package final class TraceRecorder: RecordSink {
    private let numbers: TurnCounter
    private let records: RecordQueue
    private let writer: TraceWriter

    /// Opens the trace, repairs its end, and continues the turn numbers of its sessions.
    package init(
        _ configuration: Configuration,
        fileSystem: TraceFileSystem = .system,
        log: @escaping @Sendable (TraceEvent) -> Void
    ) throws(TraceError) {
        var found = TurnNumbers(maximumSessions: configuration.maximumSessions)
        let opening = TraceFileOpening(configuration, fileSystem: fileSystem, log: log)
        let file = try opening.open(continuing: &found)
        let isWatched = file.kind == .regular
        numbers = TurnCounter(found)
        records = RecordQueue(maximumBytes: configuration.maximumPendingBytes)
        writer = TraceWriter(
            file, opening: opening, records: records, numbers: numbers,
            executor: QueueExecutor(label: "verbatim.trace"))
        writer.onQueue { writer in
            writer.probe()
            if isWatched { writer.watch() }
        }
    }

    package func nextTurn(inSession id: String, of rollout: String) -> TurnNumber {
        nextTurn(inSession: id).map { .turn($0) } ?? .tooManySessions
    }

    /// Returns nil if there are too many sessions.
    package func nextTurn(inSession id: String) -> Int? { numbers.next(inSession: id) }

    package var refusal: String? { records.refusal }

    package func noteRefusedTurn() { records.update { $0.countRefusal() } }

    package var statistics: TraceStatistics { records.statistics }

    /// Submissions of one call wake the writer once.
    package func record(_ submissions: [RecordSubmission]) {
        for (submission, error) in take(submissions) { submission.onPersisted(.failure(error)) }
    }

    /// Takes records without calling back. Returns those that it does not take, because it is closed.
    func take(_ submissions: [RecordSubmission]) -> [(RecordSubmission, TraceError)] {
        var isToStart = false
        var refused: [(RecordSubmission, TraceError)] = []
        for submission in submissions {
            let record = submission.record.record
            let unfinished = numbers.finish(record.turn, inSession: record.sessionID)
            switch records.update({ $0.add(submission, unfinishedTurns: unfinished) }) {
            case .startWriting: isToStart = true
            case .none: break
            case .refuse(let error): refused.append((submission, error))
            }
        }
        if isToStart { writer.onQueueLater { $0.writePending() } }
        return refused
    }

    package func reopen(whenDone: @escaping @Sendable (TraceError?) -> Void) {
        writer.onQueueLater { whenDone($0.reopen()) }
    }

    // MARK: One of several

    /// Continues in a file that is open already, on a thread that others share.
    ///
    /// The totals limit the memory, not this recorder. The file is not watched: if it is gone, a new one is created when
    /// there is a record to write.
    init(
        _ file: consuming TraceFile, found: TurnNumbers, opening: TraceFileOpening, executor: QueueExecutor,
        totals: TraceTotals, openFiles: OpenFiles
    ) {
        numbers = TurnCounter(found)
        records = RecordQueue(maximumBytes: .max, totals: totals)
        writer = TraceWriter(
            file, opening: opening, records: records, numbers: numbers, executor: executor, openFiles: openFiles)
        openFiles.noteUse(of: writer)
    }

    /// Whether no turn is running and no record waits.
    var isIdle: Bool {
        guard numbers.isIdle else { return false }
        let pending = records.statistics.pending
        return pending == 0 && records.failure == nil
    }

    /// The turns that have a number and no record yet, by session.
    var unfinishedTurns: [String: Set<Int>] { numbers.unfinishedTurns }

    /// The sessions that have turns.
    var sessions: [String] { numbers.sessions }

    /// Closes the file until there is a record to write.
    func rest() { writer.onQueueLater { $0.restFile() } }

    /// What the file was when it was closed to rest. Must be called on the writer's queue.
    var restOnQueue: OpenFile.Status? { writer.assumeIsolated { $0.rest } }

    /// As ``reopen(whenDone:)``, but no new file is created before there is a record to write.
    func leaveMovedFile(whenDone: @escaping @Sendable (TraceError?) -> Void) {
        writer.onQueueLater { whenDone($0.leaveMovedFile()) }
    }

    /// Persists what was submitted before. Calls `whenDone` once: with nil, or with the reason why not all is persisted.
    func flush(whenDone: @escaping @Sendable (TraceError?) -> Void) {
        writer.onQueueLater { whenDone($0.flush()) }
    }

    /// Closes the recorder because its file is to be removed: that it cannot be written matters no more.
    func discard() {
        close()
        if records.update({ $0.endFailure() }) { writer.noteResumed() }
    }

    package func close() {
        records.update { $0.close() }
        writer.onQueue { $0.close() }
    }
}
