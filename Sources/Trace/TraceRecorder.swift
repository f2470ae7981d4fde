internal import Dispatch
internal import Synchronization

/// Keeps the trace: numbers turns, and writes their records in the order they come, off the caller's thread.
///
/// One writer encodes whatever waits and hands it to the kernel by one call per batch. If that fails, the records stay
/// and are tried again, and ``refusal`` says why no turn may start meanwhile.
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
        package var maximumQueuedBytes = 256 * 1024 * 1024
        /// How long after a failure writing is tried again.
        package var retryInterval = Duration.seconds(1)

        package init(path: String) {
            self.path = path
        }
    }

    /// About how many bytes are written at once.
    private static let batchSize = 4 * 1024 * 1024

    private let configuration: Configuration
    private let log: @Sendable (LogEvent) -> Void
    private let numbers: Mutex<TurnNumbers>
    private let pending: Mutex<PendingRecords>
    /// Whether `pending` has a refusal, to be asked without its lock.
    private let hasRefusal = Atomic(false)
    private let writer = DispatchQueue(label: "verbatim.trace")
    /// Used by the writer only; gone when closed.
    private let file: Mutex<TraceFile?>

    /// Opens the trace, repairs its end and goes on from its last turns.
    package init(
        _ configuration: Configuration,
        fileSystem: TraceFileSystem = .system,
        log: @escaping @Sendable (LogEvent) -> Void
    ) throws(TraceError) {
        let path = configuration.path
        var file = try TraceFile.open(path, system: fileSystem, log: log)
        if file.isNew, configuration.sync == .disk { syncFolder(of: path) }
        do throws(SystemError) {
            numbers = Mutex(file.kind == .regular ? try TurnNumbers(continuing: file.file) : TurnNumbers())
        } catch {
            throw TraceError(.cannotOpen, message: "cannot read the trace '\(path)': \(error)", errno: error.code)
        }
        self.configuration = configuration
        self.log = log
        pending = Mutex(PendingRecords(maximumBytes: configuration.maximumQueuedBytes))
        let failure = file.probe()
        self.file = Mutex(file)
        if let failure { fail(failure, []) }
    }

    // MARK: For the proxy

    /// The number of the session's next turn: 1, 2, … A restart goes on from the last one in the trace.
    package func nextTurn(inSession id: String) -> Int {
        numbers.withLock { $0.next(inSession: id) }
    }

    /// Why no turn may start now; `nil` while records can be kept. Each other answer counts as a refused turn.
    package var refusal: String? {
        guard hasRefusal.load(ordering: .relaxed) else { return nil }
        return pending.withLock { pending in
            let refusal = pending.refusal
            if refusal != nil { pending.countRefusal() }
            return refusal
        }
    }

    /// Takes a record, always, and calls `whenKept` on the writer's thread as soon as it is in the trace, or has been
    /// tried in vain. In that case the record stays, says so, and is written as soon as can be.
    package func record(
        _ record: TurnRecord,
        whenKept: @escaping @Sendable (Result<Void, TraceError>) -> Void
    ) {
        switch update({ $0.add(record, whenKept: whenKept) }) {
        case .startWriting: writer.async { self.writePending() }
        case .none: break
        case .refuse(let error): whenKept(.failure(error))
        }
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
            file.withLock { $0 = nil }
        }
    }

    /// Changes `pending` and keeps `hasRefusal` in step with it.
    private func update<Answer: Sendable>(_ body: (inout PendingRecords) -> Answer) -> Answer {
        pending.withLock { pending in
            let answer = body(&pending)
            hasRefusal.store(pending.refusal != nil, ordering: .relaxed)
            return answer
        }
    }

    // MARK: The writer

    /// Writes until nothing is left or an attempt fails. When one fails, or has failed before, the records are tried one
    /// by one: what still fits is written.
    private func writePending() {
        guard file.withLock({ $0 != nil }) else { return }
        var isCautious = pending.withLock { $0.failure != nil }
        if isCautious, let failure = file.withLock({ $0?.probe() }) { return fail(failure, []) }
        var recorded = 0
        while true {
            /// In reverse, so that what is written can be let go of at once.
            var backlog: [PendingRecords.Entry] = update { $0.take() }.reversed()
            if backlog.isEmpty { break }
            while !backlog.isEmpty {
                let batch = takeBatch(from: &backlog, isSingle: isCautious)
                do throws(SystemError) {
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

    private func write(_ batch: [PendingRecords.Entry]) throws(SystemError) {
        var lines: [UInt8] = []
        lines.reserveCapacity(batch.reduce(0) { $0 + $1.size })
        for entry in batch { TurnRecordEncoder.append(entry.record, to: &lines) }
        let sync = configuration.sync == .disk
        try file.withLock { file throws(SystemError) in try file?.append(lines, sync: sync) }
    }

    private func fail(_ error: SystemError, _ entries: [PendingRecords.Entry]) {
        let action = update { $0.noteFailure(error, of: entries) }
        let message = "cannot write the trace '\(configuration.path)': \(error)"
        if action.isNew { log(.writeFailed(reason: message, pending: statistics.pending)) }
        for completion in action.completions {
            completion(.failure(TraceError(.cannotWrite, message: message, errno: error.code)))
        }
        guard action.schedulesRetry else { return }
        writer.asyncAfter(deadline: .now() + configuration.retryInterval.dispatchInterval) { [weak self] in
            guard let self, update({ $0.startRetry() }) else { return }
            writePending()
        }
    }
}

extension Duration {
    fileprivate var dispatchInterval: DispatchTimeInterval {
        let longest: Int64 = 86_400
        return .nanoseconds(
            Int(min(components.seconds, longest) * 1_000_000_000 + components.attoseconds / 1_000_000_000)
        )
    }
}
