internal import Dispatch
internal import Synchronization

/// What happens when the trace's file is renamed, deleted or replaced, as tools that rotate logs do.
///
/// The writer looks before each batch, so that no record goes to a file that is away from its path; once in a while, so
/// that there is a file at the path although no turn ends; and when it is told to.
extension TraceRecorder {
    /// Looks whether the file still stands at its path, and goes on in a new one if not. Calls `whenDone` on the writer's
    /// thread with the reason if records cannot be written.
    package func reopen(whenDone: @escaping @Sendable (TraceError?) -> Void = { _ in }) {
        writer.async {
            self.lookAtPath()
            whenDone(self.failure.map { self.error($0) })
        }
    }

    /// Looks once in a while, for as long as the recorder is there.
    func watch() {
        writer.asyncAfter(deadline: .now() + configuration.watchInterval.dispatchInterval) { [weak self] in
            guard let self, file.withLock({ $0 != nil }) else { return }
            if file.withLock({ $0?.hasMoved() ?? false }) { lookAtPath() }
            watch()
        }
    }

    private func lookAtPath() {
        guard file.withLock({ $0 != nil }) else { return }
        do throws(WriteFailure) {
            try followPath()
        } catch {
            return fail(error, [])
        }
        // What stood in the way may be gone.
        if failure != nil, update({ $0.startWriting() }) { writePending() }
    }

    /// Called by the writer: goes on in the file that stands at the path, or in a new one, if that is another than the
    /// one that is open.
    func followPath() throws(WriteFailure) {
        guard file.withLock({ $0?.hasMoved() ?? false }) else { return }
        // Not under the lock: turns start meanwhile.
        var found = TurnNumbers(maximumSessions: .max)
        do throws(TraceError) {
            let opened = try Self.openFile(configuration, fileSystem: fileSystem, continuing: &found, log: log)
            numbers.withLock { $0.merge(found) }
            replaceFile(by: opened)
        } catch {
            throw WriteFailure(reopening: error)
        }
        log(.reopened(path: configuration.path))
    }

    private func replaceFile(by opened: consuming TraceFile) {
        var opened: TraceFile? = opened
        file.withLock { file in
            // What is left of a failed write stays behind.
            file?.cleanUp()
            file = opened.take()
        }
    }
}
