internal import Dispatch
import Synchronization
import VerbatimJSON
package import VerbatimPlatform
import VerbatimSchema
import VerbatimTrace

/// All rollouts of a folder: what the trainer's API and the agents' turns change.
///
/// Turns only touch memory. What the API changes is in the rollout's file before the API answers, so that a crash takes
/// nothing back. Files are read and written on a queue of the store's own, in the order of the calls.
package final class SessionStore: Sendable {
    private typealias Change = @Sendable () -> Void

    /// A rollout in memory.
    private struct Entry {
        var rollout: Rollout
        /// Ends the turns that are running.
        var cancels: [Int: @Sendable () -> Void] = [:]
        /// Called once, at the next change.
        var watchers: [Change] = []
        /// Called with each change until the rollout is sealed.
        var sealing: [Int: Change] = [:]
        var isLateCountUnsaved = false
    }

    private struct Table {
        var entries: [String: Entry] = [:]
        var nextTicket = 1
    }

    private let folder: String
    private let traces: any RolloutTraces
    private let sync: Bool
    private let queue = DispatchQueue(label: "verbatim.sessions")
    private let table = Mutex(Table())
    private let now: @Sendable () -> Double

    /// - Parameters:
    ///   - folder: Where the traces are, without a slash at the end.
    ///   - sync: Whether a change is on the disk before the API answers.
    package init(
        folder: String, traces: any RolloutTraces, sync: Bool, now: @escaping @Sendable () -> Double = WallClock.now
    ) {
        self.folder = folder
        self.traces = traces
        self.sync = sync
        self.now = now
    }

    private func path(of id: String) -> String { "\(folder)/\(id)\(SessionFile.suffix)" }

    // MARK: Turns

    /// The rollout that a key lets its agents into; nil if it is no valid key.
    package func rollout(ofKey key: Substring) -> String? {
        guard let id = RolloutKey.rollout(of: key), SessionID.isValid(id) else { return nil }
        let known: String?? = table.withLock { $0.entries[id].map(\.rollout.keyHash) }
        let hash: String? =
            if let known { known } else { (try? SessionFile.read(path(of: id)))?.keyHash }
        return hash == RolloutKey.hash(key) ? id : nil
    }

    /// Whether turns of the rollout can begin without reading a file.
    package func isReady(_ id: String) -> Bool { table.withLock { $0.entries[id] != nil } }

    /// Reads what is known of the rollout.
    package func prepare(_ id: String, whenDone: @escaping @Sendable (SessionsError?) -> Void) {
        perform { store throws(SessionsError) in
            try store.load(id, isNew: true)
        } whenDone: { result in
            if case .failure(let error) = result { whenDone(error) } else { whenDone(nil) }
        }
    }

    /// Begins a turn of a rollout that ``isReady(_:)``.
    ///
    /// - Parameter cancel: Ends the turn early. Called on any thread, at most once, and not after ``end(_:in:use:)``.
    package func begin(
        in id: String, cancel: @escaping @Sendable () -> Void
    ) -> (admission: Rollout.Admission, ticket: Int) {
        let time = now()
        let (result, isToSave) = table.withLock { table -> ((Rollout.Admission, Int), Bool) in
            let ticket = table.nextTicket
            table.nextTicket += 1
            guard var entry = table.entries.removeValue(forKey: id) else { return ((.late, ticket), false) }
            defer { table.entries[id] = entry }
            let admission = entry.rollout.begin(at: time)
            if case .admitted = admission { entry.cancels[ticket] = cancel }
            guard admission == .late, entry.rollout.snapshot != nil, !entry.isLateCountUnsaved else {
                return ((admission, ticket), false)
            }
            entry.isLateCountUnsaved = true
            return ((admission, ticket), true)
        }
        if isToSave { saveLateCount(of: id) }
        return result
    }

    /// Ends an admitted turn. `use` is nil if the turn leaves no record.
    package func end(_ ticket: Int, in id: String, use: TurnUse?) {
        notify(id) { entry in
            entry.cancels[ticket] = nil
            entry.rollout.end(use)
        }
    }

    private func saveLateCount(of id: String) {
        queue.async { [self] in
            let rollout = table.withLock { table -> Rollout? in
                table.entries[id]?.isLateCountUnsaved = false
                return table.entries[id]?.rollout
            }
            if let rollout, rollout.phase != .deleting { try? save(rollout) }
        }
    }

    // MARK: The trainer's API

    /// A rollout that was opened.
    package struct Opened: Sendable {
        package let rollout: Rollout
        /// The key of its agents; nil if it was opened by an earlier request.
        package let key: String?
    }

    package func open(_ body: [UInt8], whenDone: @escaping @Sendable (Result<Opened, SessionsError>) -> Void) {
        perform({ store throws(SessionsError) in try store.open(body) }, whenDone: whenDone)
    }

    private func open(_ body: [UInt8]) throws(SessionsError) -> Opened {
        let (chosen, terms) = try RolloutTerms.read(body)
        let id = chosen ?? Self.mintID()
        guard SessionID.isValid(id) else { throw .invalid(SessionID.rule) }
        if let rollout = try find(id) {
            guard rollout.terms == terms, rollout.created != nil else {
                throw SessionsError(
                    .conflict, code: "session_exists", message: "there is a session '\(id)' with other terms")
            }
            return Opened(rollout: rollout, key: nil)
        }
        let key = RolloutKey.mint(for: id)
        let rollout = Rollout(id: id, created: now(), terms: terms, keyHash: RolloutKey.hash(key[...]))
        try save(rollout)
        table.withLock { $0.entries[id] = Entry(rollout: rollout) }
        return Opened(rollout: rollout, key: key)
    }

    private static func mintID() -> String {
        "s-" + String(UInt64.random(in: .min ... .max), radix: 36) + String(UInt32.random(in: .min ... .max), radix: 36)
    }

    package func rollout(_ id: String, whenDone: @escaping @Sendable (Result<Rollout, SessionsError>) -> Void) {
        perform({ store throws(SessionsError) in try store.existing(id) }, whenDone: whenDone)
    }

    /// The rollouts with an id greater than `after`, in order of their ids.
    ///
    /// - Parameter state: The only state to list; nil for all.
    package func list(
        state: String?, after: String?, limit: Int,
        whenDone: @escaping @Sendable (Result<[Rollout], SessionsError>) -> Void
    ) {
        perform(
            { store throws(SessionsError) in try store.list(state: state, after: after, limit: limit) },
            whenDone: whenDone)
    }

    private func list(state: String?, after: String?, limit: Int) throws(SessionsError) -> [Rollout] {
        var ids: [String] = []
        do throws(SystemError) {
            try FilePath.forEachName(inFolder: folder) { name in
                guard name.hasSuffix(SessionFile.suffix) else { return }
                let id = String(name.dropLast(SessionFile.suffix.count))
                if after.map({ id > $0 }) ?? true { ids.append(id) }
            }
        } catch {
            throw .storage("cannot read '\(folder)': \(error)")
        }
        var found: [Rollout] = []
        for id in ids.sorted() where found.count < limit {
            let loaded = table.withLock { $0.entries[id]?.rollout }
            let listed: Rollout? = if let loaded { loaded } else { try SessionFile.read(path(of: id)) }
            guard let rollout = listed, rollout.phase != .deleting else { continue }
            if state == nil || rollout.stateName == state { found.append(rollout) }
        }
        return found
    }

    package func annotate(
        _ id: String, _ body: [UInt8], whenDone: @escaping @Sendable (Result<Rollout, SessionsError>) -> Void
    ) {
        perform({ store throws(SessionsError) in try store.annotate(id, body) }, whenDone: whenDone)
    }

    private func annotate(_ id: String, _ body: [UInt8]) throws(SessionsError) -> Rollout {
        var rollout = try existing(id)
        try rollout.annotate(body, at: now())
        try save(rollout)
        let annotations = rollout.annotations
        return notify(id) { $0.rollout.replace(annotations) } ?? rollout
    }

    // MARK: Sealing

    /// Seals a rollout: from now on no turn begins, and once those that run have ended, nothing of it is written any
    /// more. A rollout that is sealed already has the same snapshot as before.
    ///
    /// - Parameters:
    ///   - aborts: Whether running turns are cut off.
    ///   - wait: Seconds to wait for running turns. After that the rollout is open again.
    package func seal(
        _ id: String, aborts: Bool, wait: Double,
        whenDone: @escaping @Sendable (Result<Snapshot, SessionsError>) -> Void
    ) {
        queue.async { [self] in
            do throws(SessionsError) {
                if let snapshot = try existing(id).snapshot { return whenDone(.success(snapshot)) }
            } catch {
                return whenDone(.failure(error))
            }
            let (ticket, cancels) = table.withLock { table -> (Int, [@Sendable () -> Void]) in
                let ticket = table.nextTicket
                table.nextTicket += 1
                table.entries[id]?.rollout.startSealing()
                table.entries[id]?.sealing[ticket] = { [self] in
                    queue.async { self.completeSealing(id, ticket, isLastTry: false, whenDone: whenDone) }
                }
                return (ticket, aborts ? Array(table.entries[id]?.cancels.values ?? [:].values) : [])
            }
            for cancel in cancels { cancel() }
            completeSealing(id, ticket, isLastTry: false, whenDone: whenDone)
            queue.asyncAfter(deadline: .now() + wait) { [self] in
                completeSealing(id, ticket, isLastTry: true, whenDone: whenDone)
            }
        }
    }

    /// Seals the rollout if no turn is running. Reports the result once for each ticket.
    private func completeSealing(
        _ id: String, _ ticket: Int, isLastTry: Bool,
        whenDone: @escaping @Sendable (Result<Snapshot, SessionsError>) -> Void
    ) {
        enum Step {
            case wait, flush
            case report(Result<Snapshot, SessionsError>)
        }
        let step = table.withLock { table -> Step in
            guard var entry = table.entries.removeValue(forKey: id), entry.sealing[ticket] != nil else { return .wait }
            defer { table.entries[id] = entry }
            if let snapshot = entry.rollout.snapshot {
                entry.sealing[ticket] = nil
                return .report(.success(snapshot))
            }
            if entry.rollout.running == 0 {
                entry.sealing[ticket] = nil
                return .flush
            }
            guard isLastTry else { return .wait }
            entry.sealing[ticket] = nil
            if entry.sealing.isEmpty { entry.rollout.stopSealing() }
            let count = entry.rollout.running
            return .report(
                .failure(
                    SessionsError(
                        .conflict, code: "turns_running",
                        message:
                            "\(count) turns are still running, and the session is open again: wait longer, or seal "
                            + "it with mode abort")))
        }
        switch step {
        case .wait: return
        case .report(let result): whenDone(result)
        case .flush:
            traces.flush(rollout: id) { [self] failure in
                queue.async { [self] in
                    do throws(SessionsError) {
                        if let failure { throw .storage(failure) }
                        whenDone(.success(try takeSnapshot(of: id)))
                    } catch {
                        notify(id) { if $0.sealing.isEmpty { $0.rollout.stopSealing() } }
                        whenDone(.failure(error))
                    }
                }
            }
        }
    }

    private func takeSnapshot(of id: String) throws(SessionsError) -> Snapshot {
        var rollout = try existing(id)
        if let snapshot = rollout.snapshot { return snapshot }
        let (bytes, sha256) = try RolloutTrace(path: traces.path(of: id)).digest()
        let snapshot = Snapshot(
            id: "snap-" + sha256.prefix(24), turns: rollout.use.turns, tokens: rollout.use.completionTokens,
            bytes: bytes, sha256: sha256)
        rollout.seal(snapshot)
        try save(rollout)
        notify(id) { $0.rollout.seal(snapshot) }
        return snapshot
    }

    // MARK: Deleting

    package func delete(
        _ id: String, snapshot: String?, isForced: Bool,
        whenDone: @escaping @Sendable (Result<Void, SessionsError>) -> Void
    ) {
        perform(
            { store throws(SessionsError) in try store.delete(id, snapshot: snapshot, isForced: isForced) },
            whenDone: whenDone)
    }

    private func delete(_ id: String, snapshot: String?, isForced: Bool) throws(SessionsError) {
        if try find(id)?.phase == .deleting { return try completeDeletion(of: id) }
        _ = try existing(id)
        // No turn may begin between the check and the removal.
        let rollout = try table.withLock { table throws(SessionsError) -> Rollout in
            guard var rollout = table.entries[id]?.rollout else { throw .notFound }
            try rollout.startDeleting(snapshot: snapshot, isForced: isForced)
            table.entries[id]?.rollout = rollout
            return rollout
        }
        try save(rollout)
        try completeDeletion(of: id)
    }

    private func completeDeletion(of id: String) throws(SessionsError) {
        try remove(id)
        notify(id) { _ in }
        table.withLock { $0.entries[id] = nil }
    }

    /// Removes the files of a rollout whose file says that it is being deleted.
    private func remove(_ id: String) throws(SessionsError) {
        do throws(SystemError) {
            try traces.remove(rollout: id)
            try FilePath.remove(path(of: id))
        } catch {
            throw .storage("cannot remove the files of '\(id)': \(error)")
        }
    }

    /// Deletes rollouts one by one. Reports the error of each, nil if it was deleted.
    package func delete(_ deletions: [BatchDeletion], whenDone: @escaping @Sendable ([SessionsError?]) -> Void) {
        queue.async { [self] in
            whenDone(
                deletions.map { deletion in
                    do throws(SessionsError) {
                        try delete(deletion.id, snapshot: deletion.snapshot, isForced: deletion.isForced)
                        return nil
                    } catch {
                        return error
                    }
                })
        }
    }

    // MARK: Reading turns

    /// Calls `read` with the path of the trace, beside the other rollouts' work.
    package func turns<Page: Sendable>(
        _ id: String, _ read: @escaping @Sendable (_ path: String) throws(SessionsError) -> Page,
        whenDone: @escaping @Sendable (Result<(Rollout, Page), SessionsError>) -> Void
    ) {
        rollout(id) { [self] result in
            switch result {
            case .failure(let error): whenDone(.failure(error))
            case .success(let rollout):
                DispatchQueue.global().async { [self] in
                    do throws(SessionsError) {
                        whenDone(.success((rollout, try read(traces.path(of: id)))))
                    } catch {
                        whenDone(.failure(error))
                    }
                }
            }
        }
    }

    /// Unix time in seconds.
    package var time: Double { now() }

    // MARK: Watching

    /// Calls `change` once, as soon as something of the rollout changes; at once if it is not loaded.
    package func watch(_ id: String, change: @escaping @Sendable () -> Void) {
        let isWatched = table.withLock { table in
            table.entries[id]?.watchers.append(change)
            return table.entries[id] != nil
        }
        if !isWatched { change() }
    }

    /// Changes a rollout in memory, and calls those who watch it. Returns the rollout; nil if it is not loaded.
    @discardableResult
    private func notify(_ id: String, _ body: (inout Entry) -> Void) -> Rollout? {
        let (rollout, calls) = table.withLock { table -> (Rollout?, [Change]) in
            guard var entry = table.entries.removeValue(forKey: id) else { return (nil, []) }
            body(&entry)
            let calls = entry.watchers + entry.sealing.values
            entry.watchers = []
            table.entries[id] = entry
            return (entry.rollout, calls)
        }
        for call in calls { call() }
        return rollout
    }

    // MARK: Files

    /// Runs `body` on the queue, and reports what it returns or throws.
    private func perform<Value: Sendable>(
        _ body: @escaping @Sendable (SessionStore) throws(SessionsError) -> Value,
        whenDone: @escaping @Sendable (Result<Value, SessionsError>) -> Void
    ) {
        queue.async { [self] in
            do throws(SessionsError) {
                whenDone(.success(try body(self)))
            } catch {
                whenDone(.failure(error))
            }
        }
    }

    private func existing(_ id: String) throws(SessionsError) -> Rollout {
        guard SessionID.isValid(id), let rollout = try find(id), rollout.phase != .deleting else { throw .notFound }
        return rollout
    }

    /// The rollout with this id, which is loaded if there is one. On the queue only.
    private func find(_ id: String) throws(SessionsError) -> Rollout? {
        try load(id, isNew: false)
        return table.withLock { $0.entries[id]?.rollout }
    }

    /// - Parameter isNew: Whether a rollout of which there is nothing yet is loaded, too.
    private func load(_ id: String, isNew: Bool) throws(SessionsError) {
        if isReady(id) { return }
        let trace = RolloutTrace(path: traces.path(of: id))
        var read = try SessionFile.read(path(of: id))
        if read?.phase == .deleting {
            try remove(id)
            read = nil
        }
        if read == nil && !isNew && !trace.exists { return }
        let base = read ?? Rollout(id: id, created: nil)
        let rollout = base.with(try trace.use())
        table.withLock { if $0.entries[id] == nil { $0.entries[id] = Entry(rollout: rollout) } }
    }

    private func save(_ rollout: Rollout) throws(SessionsError) {
        do throws(SystemError) {
            try FilePath.replaceFile(at: path(of: rollout.id), with: SessionFile.encode(rollout), sync: sync)
        } catch {
            throw .storage("cannot write the file of '\(rollout.id)': \(error)")
        }
    }
}

/// The traces of the rollouts, as the store needs them.
package protocol RolloutTraces: Sendable {
    func path(of rollout: String) -> String
    /// Calls `whenDone` once all records that were submitted before are written; with the reason if they cannot be.
    func flush(rollout: String, whenDone: @escaping @Sendable (String?) -> Void)
    /// Removes the trace.
    func remove(rollout: String) throws(SystemError)
}
