internal import Synchronization
import VerbatimPlatform

/// What else can be done with the rollouts of a folder.
extension TraceFolder {
    /// The path of the rollout's trace, whether there is one or not.
    package func path(of rollout: String) -> String { layout.trace(of: rollout) }

    /// The folder, with a slash at its end.
    package var path: String { layout.folder }

    /// The rollouts that have a trace, after the name `last`, in order. Reads the folder and opens no file; may block.
    package func rollouts(after last: String? = nil, limit: Int) throws(TraceError) -> [String] {
        do throws(SystemError) {
            return try layout.rollouts(after: last, limit: limit)
        } catch {
            throw TraceError(
                .cannotOpen, message: "cannot read the folder '\(layout.folder)': \(error)", cause: .system(error))
        }
    }

    /// Calls `whenDone` once, on any thread, as soon as all records of the rollout that were submitted before are
    /// persisted: with nil, or with the reason why they are not.
    package func flush(rollout: String, whenDone: @escaping @Sendable (TraceError?) -> Void) {
        let retry: RolloutTable.Waiter = { [self] error in
            if let error { whenDone(error) } else { flush(rollout: rollout, whenDone: whenDone) }
        }
        let (waits, recorder) = table.withLock { table in
            (table.wait(for: rollout, retry), table.recorder(of: rollout))
        }
        if waits { return }
        if let recorder { recorder.flush(whenDone: whenDone) } else { whenDone(nil) }
    }

    /// Removes the trace of a rollout, with what was set aside of it. Calls `whenDone` once, on any thread: with nil, or
    /// with the reason why the file is still there.
    ///
    /// Its turns are numbered from 1 again then. The records of turns that are running are not kept; until they have
    /// ended, the rollout cannot be prepared.
    package func remove(rollout: String, whenDone: @escaping @Sendable (TraceError?) -> Void) {
        let removal = table.withLock { table in
            table.startRemoval(of: rollout) { [self] _ in remove(rollout: rollout, whenDone: whenDone) }
        }
        guard case .start(let recorder) = removal else { return }
        afterWriting(rollout, nil) { [self] _ in
            recorder?.discard()
            let error = removeFiles(of: rollout, sessions: recorder?.sessions)
            if table.withLock({ $0.finishRemoval(of: rollout) }) { open(rollout, resting: nil) }
            whenDone(error)
        }
    }

    /// - Parameter sessions: Those of the rollout; nil if they are not in memory.
    private func removeFiles(of rollout: String, sessions: [String]?) -> TraceError? {
        let path = layout.trace(of: rollout)
        let noted = OpenFile.status(at: layout.sessions) == nil ? [] : sessions ?? storedSessions(in: path)
        do throws(SystemError) {
            try FilePath.remove(path)
            var number = 1
            while OpenFile.status(at: "\(path).torn-\(number)") != nil {
                try FilePath.remove("\(path).torn-\(number)")
                number += 1
            }
        } catch {
            return TraceError(.cannotWrite, message: "cannot remove '\(path)': \(error)", cause: .system(error))
        }
        roots.remove(noted, of: rollout)
        FilePath.syncFolder(of: path)
        return nil
    }

    private func storedSessions(in path: String) -> [String] {
        var numbers = TurnNumbers(maximumSessions: .max)
        do throws(SystemError) {
            try numbers.continue(from: OpenFile(path, for: .reading))
        } catch {
            // Then what is noted of them stays. It means nothing without the trace.
        }
        return numbers.sessions
    }
}
