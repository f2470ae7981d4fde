internal import Dispatch
import VerbatimPlatform

/// Writes the waiting records to the trace file, on a queue of its own.
///
/// An actor whose executor is that queue: the file is used nowhere else, which the compiler checks, and needs no lock.
actor TraceWriter {
    /// The size of the records that are written at once, in bytes, about.
    private static let batchSize = 4 * 1024 * 1024

    private let opening: TraceFileOpening
    private let records: RecordQueue
    private let numbers: TurnCounter
    private let executor: QueueExecutor
    /// Limits how many files are open, if there are several.
    private let openFiles: OpenFiles?
    /// nil while the file rests, and once the recorder is closed.
    private var file: TraceFile?
    private var isClosed = false
    /// What the file was when it was closed to rest. nil if it must be read when it is opened again.
    private(set) var rest: OpenFile.Status?

    private var configuration: TraceRecorder.Configuration { opening.configuration }

    init(
        _ file: consuming TraceFile, opening: TraceFileOpening, records: RecordQueue, numbers: TurnCounter,
        executor: QueueExecutor, openFiles: OpenFiles? = nil
    ) {
        self.file = consume file
        self.opening = opening
        self.records = records
        self.numbers = numbers
        self.executor = executor
        self.openFiles = openFiles
    }

    // MARK: The queue

    nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }

    /// Runs `body` on the queue and waits for it.
    nonisolated func onQueue(_ body: @Sendable (isolated TraceWriter) -> Void) {
        executor.queue.sync { assumeIsolated(body) }
    }

    /// Runs `body` on the queue, after what is there already.
    nonisolated func onQueueLater(_ body: @escaping @Sendable (isolated TraceWriter) -> Void) {
        executor.queue.async { self.assumeIsolated(body) }
    }

    /// Runs `body` on the queue after `delay`, unless the writer has been released by then.
    private nonisolated func onQueue(
        after delay: Duration, _ body: @escaping @Sendable (isolated TraceWriter) -> Void
    ) {
        executor.queue.asyncAfter(deadline: .now() + delay.dispatchInterval) { [weak self] in
            self?.assumeIsolated(body)
        }
    }

    // MARK: Opening and closing

    /// Finds out whether writing works, where that costs nothing, so that no turn starts in vain.
    func probe() {
        if let error = file?.probe() { fail(WriteFailure(error), []) }
    }

    /// Checks the path at intervals, so that there is a file at it even if no turn ends.
    func watch() {
        onQueue(after: configuration.watchInterval) { writer in
            guard !writer.isClosed else { return }
            if writer.hasMoved { writer.checkPath() }
            writer.watch()
        }
    }

    /// Continues in the file at the path, if that is not the open one. Returns why records cannot be written, or nil.
    func reopen() -> TraceError? {
        checkPath()
        return records.failure.map { error($0) }
    }

    /// As ``reopen()``, but no new file is created before there is a record to write.
    func leaveMovedFile() -> TraceError? {
        if hasMoved, records.statistics.pending == 0, records.failure == nil {
            rest = nil
            closeFile()
            return nil
        }
        return reopen()
    }

    /// Writes the waiting records as far as possible, and closes the file.
    func close() {
        var recorded: Int
        repeat {
            recorded = records.statistics.recorded
            writePending()
        } while records.statistics.pending > 0 && records.statistics.recorded > recorded
        let lost = records.update { $0.abandon() }
        if lost > 0 { opening.log(.recordsLost(count: lost)) }
        isClosed = true
        closeFile()
    }

    /// Closes the file until there is a record to write, unless one waits already.
    func restFile() {
        guard file != nil, records.statistics.pending == 0, records.failure == nil else { return }
        rest = file?.currentStatus
        closeFile()
    }

    private func closeFile() {
        file?.cleanUp()
        file = nil
        openFiles?.noteClosed(self)
    }

    /// Returns why not everything that was submitted before is persisted, or nil.
    func flush() -> TraceError? {
        writePending()
        return records.failure.map { error($0) }
    }

    // MARK: The path

    private var hasMoved: Bool { file?.hasMoved() ?? false }

    private func checkPath() {
        // A file that rests is looked for when there is a record to write.
        if isClosed || file == nil && records.failure == nil { return }
        do throws(WriteFailure) {
            try followPath()
        } catch {
            return fail(error, [])
        }
        // The obstacle may be gone.
        if records.failure != nil, records.update({ $0.startWriting() }) { writePending() }
    }

    /// If the file rests, or was renamed, deleted or replaced: opens the file at the path, or creates one, and continues
    /// there.
    private func followPath() throws(WriteFailure) {
        let wasResting = file == nil
        guard wasResting || hasMoved else { return }
        openFiles?.noteUse(of: self)
        // The numbers are not locked while the file is read: turns start meanwhile.
        var found = TurnNumbers(maximumSessions: .max)
        do throws(TraceError) {
            let opened = try opening.open(continuing: &found, unlessUnchangedSince: wasResting ? rest : nil)
            numbers.merge(found)
            file?.cleanUp()
            file = consume opened
            rest = nil
        } catch {
            throw wasResting ? WriteFailure(opening: error) : WriteFailure(reopening: error)
        }
        if wasResting { return }
        opening.log(.reopened(path: configuration.path))
    }

    // MARK: Writing

    /// Writes until nothing is left or an attempt fails. After a failure the records are tried one by one, so that
    /// those that still fit are written.
    func writePending() {
        if isClosed { return }
        var isCautious = records.failure != nil
        if isCautious {
            // Even if no record is waiting, it must be found out whether writing works.
            do throws(WriteFailure) {
                try followPath()
            } catch {
                return fail(error, [])
            }
            if let error = file?.probe() { return fail(WriteFailure(error), []) }
        }
        var recorded = 0
        while true {
            /// In reverse order, so that written entries can be released at once.
            var backlog: [PendingRecords.Entry] = records.update { $0.take() }.reversed()
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
                records.update { $0.noteWritten(batch) }
                for entry in batch { entry.onPersisted?(.success(())) }
            }
        }
        if records.update({ $0.endFailure() }) { opening.log(.writeResumed(recorded: recorded)) }
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
        for entry in batch {
            TurnRecordEncoder.append(
                entry.record, incompleteLists: configuration.incompleteLists, to: &lines)
        }
        openFiles?.noteUse(of: self)
        repeat {
            try followPath()
            do throws(SystemError) {
                try file?.append(lines, sync: configuration.sync == .disk)
            } catch {
                throw WriteFailure(error)
            }
            // Repeated if the file, and the records with it, was deleted after the path was checked.
        } while file?.isGone() ?? false
    }

    // MARK: Failures

    private func error(_ failure: WriteFailure) -> TraceError {
        let message = "cannot write the trace '\(configuration.path)': \(failure.reason)"
        return TraceError(.cannotWrite, message: message, reason: failure.reason, cause: failure.cause)
    }

    /// Reports the end of a failure that nothing depends on any more.
    nonisolated func noteResumed() { opening.log(.writeResumed(recorded: 0)) }

    private func fail(_ failure: WriteFailure, _ entries: [PendingRecords.Entry]) {
        let action = records.update { $0.noteFailure(failure, of: entries) }
        let error = error(failure)
        if action.isNew { opening.log(.writeFailed(reason: error.message, pending: records.statistics.pending)) }
        for completion in action.completions { completion(.failure(error)) }
        guard action.schedulesRetry else { return }
        onQueue(after: configuration.retryInterval) { writer in
            if writer.records.update({ $0.startRetry() }) { writer.writePending() }
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
