internal import Dispatch
internal import Synchronization
import VerbatimPlatform

/// The sink that keeps a trace file for each rollout in one folder.
///
/// Each file is written by a ``TraceRecorder`` of its own, so that all that holds for one trace holds for each. They
/// share a few threads. Files that are not written are closed, and rollouts that no turn uses leave the memory: neither
/// depends on how many lie in the folder.
package final class TraceFolder: RecordSink {
    package struct Configuration: Sendable {
        /// How each file is kept. The path is the folder's, the limit of waiting records that of all files together,
        /// the limit of sessions that of each rollout.
        package var recorder: TraceRecorder.Configuration
        /// The number of files beyond which those are closed that were not written for longest.
        package var maximumOpenFiles = 256
        /// The number of rollouts beyond which those leave the memory that no turn has used for longest.
        package var maximumRollouts = 10_000
        /// The time after which the file of a rollout that no turn uses is closed.
        package var idleTime = Duration.seconds(60)

        package init(_ recorder: TraceRecorder.Configuration) { self.recorder = recorder }
    }

    let layout: FolderLayout
    let table: Mutex<RolloutTable>
    let roots: SessionRoots
    private let configuration: Configuration
    private let fileSystem: TraceFileSystem
    private let guardian: FolderGuard
    private let log: FolderLog
    private let isClosed = Atomic(false)
    private let totals: TraceTotals
    let openFiles: OpenFiles
    /// The threads that write, one for each of some rollouts.
    private let executors: [QueueExecutor]
    /// The threads that open files, and read those whose numbers are not in memory: they must not hold up the writing.
    private let openers: [DispatchQueue]
    /// Finds roots, and watches the folder.
    private let control = DispatchQueue(label: "verbatim.trace.folder")
    /// The files that are being opened or removed.
    private let operations = DispatchGroup()

    /// Creates the folder if it is missing, and locks it. Does not look at the files in it.
    package init(
        _ configuration: Configuration, fileSystem: TraceFileSystem = .system,
        log: @escaping @Sendable (TraceEvent) -> Void
    ) throws(TraceError) {
        let recorder = configuration.recorder
        self.configuration = configuration
        self.fileSystem = fileSystem
        layout = FolderLayout(recorder.path)
        guardian = try FolderGuard(layout, log: log)
        self.log = FolderLog(log)
        roots = SessionRoots(layout, syncs: recorder.sync == .disk)
        totals = TraceTotals(maximumPendingBytes: recorder.maximumPendingBytes)
        openFiles = OpenFiles(limit: configuration.maximumOpenFiles)
        table = Mutex(
            RolloutTable(
                maximumCount: configuration.maximumRollouts,
                idleTime: Int(configuration.idleTime / recorder.watchInterval)))
        // Waiting for the disk, a thread does nothing else.
        executors = (0..<(recorder.sync == .disk ? 16 : 4)).map { _ in QueueExecutor(label: "verbatim.trace") }
        openers = (0..<4).map { _ in DispatchQueue(label: "verbatim.trace.open") }
        watch()
    }

    // MARK: Rollouts

    package func rollout(of place: SessionPlace) -> String? { place.root ?? roots.known(place.session) }

    package func prepare(
        _ place: SessionPlace, whenDone: @escaping @Sendable (Result<String, TraceError>) -> Void
    ) {
        if let rollout = rollout(of: place) { return prepare(place, in: rollout, whenDone: whenDone) }
        control.async { [self] in
            do throws(SystemError) {
                let rollout = try roots.find(place.session, parent: place.parent)
                prepare(place, in: rollout, whenDone: whenDone)
            } catch {
                whenDone(
                    .failure(
                        TraceError(
                            .cannotWrite, message: "cannot write to '\(layout.sessions)': \(error)",
                            cause: .system(error))))
            }
        }
    }

    private func prepare(
        _ place: SessionPlace, in rollout: String, whenDone: @escaping @Sendable (Result<String, TraceError>) -> Void
    ) {
        prepare(rollout: rollout) { error in whenDone(error.map { .failure($0) } ?? .success(rollout)) }
    }

    /// Makes the rollout ready for the next turn. Calls `whenDone` once: with nil, or with the reason why its records
    /// cannot be persisted.
    package func prepare(rollout: String, whenDone: @escaping @Sendable (TraceError?) -> Void) {
        let opening: RolloutTable.Opening? = table.withLock { table in
            table.isClosed ? nil : table.prepare(rollout, whenDone)
        }
        switch opening {
        case nil: whenDone(Self.closed)
        case .ready: whenDone(nil)
        case .waits: break
        case .isRemoved: whenDone(Self.removed)
        case .start(let resting): open(rollout, resting: resting)
        }
    }

    /// Whether ``nextTurn(inSession:of:)`` can number a turn of the rollout now.
    package func isReady(rollout: String) -> Bool { table.withLock { $0.recorder(of: rollout) != nil } }

    package func nextTurn(inSession id: String, of rollout: String) -> TurnNumber {
        table.withLock { $0.nextTurn(inSession: id, of: rollout) }
    }

    // MARK: Opening

    private func index(of rollout: String, among count: Int) -> Int {
        Int(UInt(bitPattern: rollout.hashValue) % UInt(count))
    }

    private func executor(of rollout: String) -> QueueExecutor { executors[index(of: rollout, among: executors.count)] }

    /// Runs `body` on a thread that may wait, after the file of a recorder that rests is closed. `body` gets what that
    /// file was then.
    func afterWriting(
        _ rollout: String, _ recorder: TraceRecorder?, _ body: @escaping @Sendable (OpenFile.Status?) -> Void
    ) {
        operations.enter()
        let opener = openers[index(of: rollout, among: openers.count)]
        executor(of: rollout).queue.async { [operations] in
            let rest = recorder?.restOnQueue
            opener.async {
                body(rest)
                operations.leave()
            }
        }
    }

    func open(_ rollout: String, resting: TraceRecorder?) {
        // Before anyone can open the file again.
        table.withLock { for recorder in $0.drop() { recorder.rest() } }
        afterWriting(rollout, resting) { [self] rest in
            do throws(TraceError) {
                if let resting, let rest, OpenFile.status(at: layout.trace(of: rollout)) == rest {
                    finishOpening(rollout, resting, nil)
                } else {
                    finishOpening(rollout, try makeRecorder(of: rollout), nil)
                }
            } catch {
                finishOpening(rollout, nil, error)
            }
        }
    }

    private func makeRecorder(of rollout: String) throws(TraceError) -> TraceRecorder {
        guardian.check()
        if let problem = guardian.problem { throw problem }
        var configuration = configuration.recorder
        configuration.path = layout.trace(of: rollout)
        let log = log
        let opening = TraceFileOpening(configuration, fileSystem: fileSystem) { log.append($0) }
        var found = TurnNumbers(maximumSessions: configuration.maximumSessions)
        let file = try opening.open(continuing: &found)
        return TraceRecorder(
            file, found: found, opening: opening, executor: executor(of: rollout), totals: totals,
            openFiles: openFiles)
    }

    private func finishOpening(_ rollout: String, _ recorder: TraceRecorder?, _ error: TraceError?) {
        let finish = table.withLock { table in
            let finish = table.finishOpening(rollout, with: recorder)
            // Before any that comes now.
            if let recorder { _ = recorder.take(finish.held) }
            return finish
        }
        if let error, !finish.held.isEmpty {
            totals.countLost(finish.held.count)
            for submission in finish.held { submission.onPersisted(.failure(error)) }
        }
        for waiter in finish.waiters { waiter(error) }
    }

    // MARK: Refusals

    package var refusal: String? {
        if let problem = guardian.problem { return "the trace cannot be written: \(problem.reason)" }
        return totals.refusal ?? (isClosed.load(ordering: .relaxed) ? Self.closed.reason : nil)
    }

    package func refusal(of rollout: String) -> String? { table.withLock { $0.recorder(of: rollout) }?.refusal }

    package func noteRefusedTurn() { totals.countRefusal() }

    package var statistics: TraceStatistics { totals.statistics }

    private static var closed: TraceError {
        TraceError(.closed, message: "the trace is closed", reason: "the trace is closed")
    }

    private static var removed: TraceError {
        let reason = "the rollout was deleted, and some of its turns are still running"
        return TraceError(.removed, message: reason, reason: reason)
    }

    // MARK: Records

    package func record(_ submissions: [RecordSubmission]) {
        var refused: [(RecordSubmission, TraceError)] = []
        for (rollout, group) in submissions.byRollout {
            var group = group
            var openings: [RolloutTable.Opening] = []
            table.withLock { table in
                group.removeAll { submission in
                    guard table.takeStray(submission.record.record) else { return false }
                    refused.append((submission, Self.removed))
                    return true
                }
                if table.isClosed {
                    refused += group.map { ($0, Self.closed) }
                } else if let recorder = table.use(rollout) {
                    refused += recorder.take(group)
                } else {
                    openings = group.map { table.hold($0, of: rollout) }
                }
            }
            for case .start(let resting) in openings { open(rollout, resting: resting) }
            // Never numbered by this sink.
            for (submission, opening) in zip(group, openings) {
                if case .isRemoved = opening { refused.append((submission, Self.removed)) }
            }
        }
        if !refused.isEmpty { totals.countRefused(refused.count) }
        for (submission, error) in refused { submission.onPersisted(.failure(error)) }
    }

    // MARK: The folder

    private func watch() {
        control.asyncAfter(deadline: .now() + configuration.recorder.watchInterval.dispatchInterval) { [weak self] in
            guard let self, !table.withLock({ $0.isClosed }) else { return }
            tick()
            watch()
        }
    }

    /// Checks the lock, and closes files of rollouts that no turn uses.
    func tick() {
        guardian.check()
        table.withLock { for recorder in $0.tick() { recorder.rest() } }
    }

    package func reopen(whenDone: @escaping @Sendable (TraceError?) -> Void) {
        control.async { [self] in
            guardian.check()
            if let problem = guardian.problem { return whenDone(problem) }
            let group = DispatchGroup()
            let first = FirstError()
            for recorder in table.withLock({ $0.recorders }) {
                group.enter()
                recorder.leaveMovedFile { error in
                    if let error { first.note(error) }
                    group.leave()
                }
            }
            group.notify(queue: control) { whenDone(first.error) }
        }
    }

    package func close() {
        table.withLock { $0.close() }
        isClosed.store(true, ordering: .relaxed)
        operations.wait()
        for recorder in table.withLock({ $0.recorders }) { recorder.close() }
        log.end()
        guardian.release()
    }
}

/// The first of several errors that come on any threads.
private final class FirstError: Sendable {
    private let stored = Mutex<TraceError?>(nil)

    var error: TraceError? { stored.withLock { $0 } }

    func note(_ error: TraceError) { stored.withLock { $0 = $0 ?? error } }
}

extension [RecordSubmission] {
    /// In groups of the same rollout, each in the order of submission. Mostly there is one group.
    fileprivate var byRollout: [(rollout: String, group: [RecordSubmission])] {
        guard let first = first?.record.record.rolloutID else { return [] }
        if allSatisfy({ $0.record.record.rolloutID == first }) { return [(first, self)] }
        return Dictionary(grouping: self) { $0.record.record.rolloutID }.map { ($0.key, $0.value) }
    }
}
