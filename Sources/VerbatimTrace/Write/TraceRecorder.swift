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
        writer = TraceWriter(file, opening: opening, records: records, numbers: numbers)
        writer.onQueue { writer in
            writer.probe()
            if isWatched { writer.watch() }
        }
    }

    package func nextTurn(inSession id: String) -> Int? { numbers.next(inSession: id) }

    package var refusal: String? { records.refusal }

    package func noteRefusedTurn() { records.update { $0.countRefusal() } }

    package var statistics: TraceStatistics { records.statistics }

    /// Submissions of one call wake the writer once.
    package func record(_ submissions: [RecordSubmission]) {
        var isToStart = false
        for submission in submissions {
            let record = submission.record.record
            let unfinished = numbers.finish(record.turn, inSession: record.sessionID)
            switch records.update({ $0.add(submission, unfinishedTurns: unfinished) }) {
            case .startWriting: isToStart = true
            case .none: break
            case .refuse(let error): submission.onPersisted(.failure(error))
            }
        }
        if isToStart { writer.onQueueLater { $0.writePending() } }
    }

    package func reopen(whenDone: @escaping @Sendable (TraceError?) -> Void) {
        writer.onQueueLater { whenDone($0.reopen()) }
    }

    package func close() {
        records.update { $0.close() }
        writer.onQueue { $0.close() }
    }
}
