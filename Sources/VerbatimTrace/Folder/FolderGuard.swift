internal import Synchronization

/// Keeps the lock of a folder of traces, and takes it again if the folder or the lock was renamed or deleted.
final class FolderGuard: Sendable {
    private struct State: ~Copyable {
        /// nil while another proxy has it, and once it is released.
        var lock: FolderLock?
        var problem: TraceError?
        var isReleased = false
    }

    private let layout: FolderLayout
    private let log: @Sendable (TraceEvent) -> Void
    private let state: Mutex<State>
    /// Each turn reads this without the lock of the state, since there rarely is a problem.
    private let hasProblem = Atomic(false)

    init(_ layout: FolderLayout, log: @escaping @Sendable (TraceEvent) -> Void) throws(TraceError) {
        self.layout = layout
        self.log = log
        state = Mutex(State(lock: try FolderLock.take(layout, log: log)))
    }

    /// Why nothing may be written to the folder, or nil.
    var problem: TraceError? {
        guard hasProblem.load(ordering: .relaxed) else { return nil }
        return state.withLock { $0.problem }
    }

    /// Takes the lock again if it protects nothing any more.
    func check() {
        state.withLock { state in
            if state.isReleased { return }
            if let isMoved = state.lock?.hasMoved, !isMoved { return }
            do throws(TraceError) {
                state.lock = try FolderLock.take(layout, log: log)
                state.problem = nil
                log(.reopened(path: layout.folder))
            } catch {
                state.lock = nil
                state.problem = error
            }
            hasProblem.store(state.problem != nil, ordering: .relaxed)
        }
    }

    func release() {
        state.withLock { state in
            state.lock = nil
            state.isReleased = true
        }
    }
}
