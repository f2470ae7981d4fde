internal import Dispatch
internal import Synchronization
import VerbatimPlatform

/// Keeps the trace: numbers turns, and writes their records in the order they come, off the caller's thread.
///
/// One writer encodes whatever waits and hands it to the kernel by one call per batch. If that fails, the records stay
/// and are tried again, and ``refusal`` says why no turn may start meanwhile. If the file is renamed, deleted or replaced,
/// the writer goes on in a new one (``reopen(whenDone:)``).
package final class TraceRecorder: Sendable {
    package struct Configuration: Sendable {
        /// When a record counts as kept.
        package enum Sync: String, CaseIterable, Sendable {
            /// When it has been handed to the kernel: it outlives this process.
            case write
            /// When it is on the disk: it outlives the machine's power.
            case disk
        }

        package var path: String
        package var sync = Sync.write
        /// When more than this many bytes wait to be written, no new turns may start.
        package var maximumPendingBytes = 256 << 20
        /// Turns of further sessions may not start: the last turn of each is held in memory.
        package var maximumSessions = 1_000_000
        /// How long after a failure writing is tried again.
        package var retryInterval = Duration.seconds(1)
        /// How often to look whether the file still stands at its path, beside before each write.
        package var watchInterval = Duration.milliseconds(800)

        package init(path: String) {
            self.path = path
        }
    }

    /// About how many bytes are written at once.
    private static let batchSize = 4 * 1024 * 1024

    let configuration: Configuration
    let fileSystem: TraceFileSystem
    let log: @Sendable (LogEvent) -> Void
    let numbers: Mutex<TurnNumbers>
    private let pending: Mutex<PendingRecords>
    /// Whether `pending` has a refusal, to be asked without its lock.
    private let hasRefusal = Atomic(false)
    let writer = DispatchQueue(label: "verbatim.trace")
    /// Used by the writer only; gone when closed.
    let file: Mutex<TraceFile?>

    /// Opens the trace, repairs its end and goes on from its last turns.
    package init(
        _ configuration: Configuration,
        fileSystem: TraceFileSystem = .system,
        log: @escaping @Sendable (LogEvent) -> Void
    ) throws(TraceError) {
        var numbers = TurnNumbers(maximumSessions: configuration.maximumSessions)
        var file = try Self.openFile(configuration, fileSystem: fileSystem, continuing: &numbers, log: log)
        self.numbers = Mutex(numbers)
        self.configuration = configuration
        self.fileSystem = fileSystem
        self.log = log
        pending = Mutex(PendingRecords(maximumBytes: configuration.maximumPendingBytes))
        let failure = file.probe()
        let isWatched = file.kind == .regular
        self.file = Mutex(file)
        if let failure { fail(WriteFailure(failure), []) }
        if isWatched { watch() }
    }

    /// Opens the trace and brings its last turns into `numbers`.
    static func openFile(
        _ configuration: Configuration, fileSystem: TraceFileSystem, continuing numbers: inout TurnNumbers,
        log: (LogEvent) -> Void
    ) throws(TraceError) -> TraceFile {
        let path = configuration.path
        let file = try TraceFile.open(path, system: fileSystem, log: log)
        // Not only of a file that is new here: who replaced it need not have done so.
        if configuration.sync == .disk, file.kind == .regular { FilePath.syncFolder(of: path) }
        do throws(SystemError) {
            if file.kind == .regular { try numbers.continue(from: file.file) }
        } catch {
            throw TraceError(.cannotOpen, message: "cannot read the trace '\(path)': \(error)", errno: error.code)
        }
        return file
    }

    // MARK: For the proxy

    /// The number of the session's next turn: 1, 2, … A restart goes on from the last one in the trace. `nil` if there
    /// are too many sessions for a new one.
    package func nextTurn(inSession id: String) -> Int? {
        numbers.withLock { $0.next(inSession: id) }
    }

    /// Why no turn may start now; `nil` while records can be kept.
    package var refusal: String? {
        guard hasRefusal.load(ordering: .relaxed) else { return nil }
        return pending.withLock { $0.refusal }
    }

    /// Counts a turn that was refused because of ``refusal``.
    package func noteRefusedTurn() { pending.withLock { $0.countRefusal() } }

    /// A record on its way, and what is to be called on the writer's thread as soon as it is in the trace, or has been
    /// tried in vain. In that case the record stays, says so, and is written as soon as can be.
    package typealias Submission = (record: SharedRecord, whenKept: @Sendable (Result<Void, TraceError>) -> Void)

    /// Takes records, always. Those that come together wake the writer once.
    package func record(_ submissions: [Submission]) {
        var starts = false
        for (record, whenKept) in submissions {
            switch update({ $0.add(record, whenKept: whenKept) }) {
            case .startWriting: starts = true
            case .none: break
            case .refuse(let error): whenKept(.failure(error))
            }
        }
        if starts { writer.async { self.writePending() } }
    }

    /// Takes a record.
    package func record(_ record: TurnRecord, whenKept: @escaping @Sendable (Result<Void, TraceError>) -> Void) {
        self.record([(SharedRecord(record), whenKept)])
    }

    package var statistics: TraceStatistics { pending.withLock { $0.statistics } }

    /// Writes what waits, as far as it can be written, and lets go of the file. Not to be called from a `whenKept`.
    package func close() {
        update { $0.close() }
        writer.sync {
            var recorded: Int
            repeat {
                recorded = statistics.recorded
                writePending()
            } while statistics.pending > 0 && statistics.recorded > recorded
            let lost = update { $0.abandon() }
            if lost > 0 { log(.recordsLost(count: lost)) }
            file.withLock { file in
                file?.cleanUp()
                file = nil
            }
        }
    }

    /// Changes `pending` and keeps `hasRefusal` in step with it.
    @discardableResult
    func update<Answer: Sendable>(_ body: (inout PendingRecords) -> Answer) -> Answer {
        pending.withLock { pending in
            let answer = body(&pending)
            hasRefusal.store(pending.refusal != nil, ordering: .relaxed)
            return answer
        }
    }

    // MARK: The writer

    /// Writes until nothing is left or an attempt fails. When one fails, or has failed before, the records are tried one
    /// by one: what still fits is written.
    func writePending() {
        guard file.withLock({ $0 != nil }) else { return }
        var isCautious = failure != nil
        if isCautious {
            // Although nothing may wait, it must be known whether writing works.
            do throws(WriteFailure) {
                try followPath()
            } catch {
                return fail(error, [])
            }
            if let failure = file.withLock({ $0?.probe() }) { return fail(WriteFailure(failure), []) }
        }
        var recorded = 0
        while true {
            /// In reverse, so that what is written can be let go of at once.
            var backlog: [PendingRecords.Entry] = update { $0.take() }.reversed()
            if backlog.isEmpty { break }
            while !backlog.isEmpty {
                let batch = takeBatch(from: &backlog, isSingle: isCautious)
                do throws(WriteFailure) {
                    try write(batch)
                } catch {
                    backlog.append(contentsOf: batch.reversed())
                    if batch.count == 1 { return fail(error, backlog.reversed()) }
                    isCautious = true
                    continue
                }
                recorded += batch.count
                update { $0.noteWritten(batch) }
                for entry in batch { entry.whenKept?(.success(())) }
            }
        }
        if update({ $0.endFailure() }) { log(.writeResumed(recorded: recorded)) }
    }

    private func takeBatch(from backlog: inout [PendingRecords.Entry], isSingle: Bool) -> [PendingRecords.Entry] {
        var batch: [PendingRecords.Entry] = []
        var size = 0
        while let entry = backlog.last, batch.isEmpty || (!isSingle && size + entry.size <= Self.batchSize) {
            size += entry.size
            batch.append(entry)
            backlog.removeLast()
        }
        return batch
    }

    private func write(_ batch: [PendingRecords.Entry]) throws(WriteFailure) {
        var lines: [UInt8] = []
        lines.reserveCapacity(batch.reduce(0) { $0 + $1.size })
        for entry in batch { TurnRecordEncoder.append(entry.record, to: &lines) }
        let sync = configuration.sync == .disk
        repeat {
            try followPath()
            do throws(SystemError) {
                try file.withLock { file throws(SystemError) in try file?.append(lines, sync: sync) }
            } catch {
                throw WriteFailure(error)
            }
            // Deleted since it was looked at, with the records in it.
        } while file.withLock { $0?.isGone() ?? false }
    }

    /// Why the last attempt to write has failed, until all is written.
    var failure: WriteFailure? { pending.withLock { $0.failure } }

    func error(_ failure: WriteFailure) -> TraceError {
        let message = "cannot write the trace '\(configuration.path)': \(failure.reason)"
        return TraceError(.cannotWrite, message: message, errno: failure.errno)
    }

    func fail(_ failure: WriteFailure, _ entries: [PendingRecords.Entry]) {
        let action = update { $0.noteFailure(failure, of: entries) }
        let error = error(failure)
        if action.isNew { log(.writeFailed(reason: error.message, pending: statistics.pending)) }
        for completion in action.completions { completion(.failure(error)) }
        guard action.schedulesRetry else { return }
        writer.asyncAfter(deadline: .now() + configuration.retryInterval.dispatchInterval) { [weak self] in
            guard let self, update({ $0.startRetry() }) else { return }
            writePending()
        }
    }
}

extension Duration {
    var dispatchInterval: DispatchTimeInterval {
        let longest: Int64 = 86_400
        return .nanoseconds(
            Int(min(components.seconds, longest) * 1_000_000_000 + components.attoseconds / 1_000_000_000)
        )
    }
}
