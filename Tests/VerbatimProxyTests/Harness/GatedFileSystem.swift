import Dispatch
import Synchronization
import VerbatimPlatform
import VerbatimTesting
import VerbatimTrace

/// A file system whose writes or synchronizations can be held up or made to fail.
final class GatedFileSystem: Sendable {
    enum Mode: Sendable, Equatable {
        case open
        /// Writes wait until the mode changes.
        case shut
        case failing
    }

    private struct State {
        var mode: Mode
        var opened: [DispatchSemaphore] = []
    }

    private let state: Mutex<State>
    /// Whether synchronizations are controlled instead of writes.
    private let isOfSyncs: Bool
    /// The number of controlled operations that have begun.
    let begun = Monitor(0)

    init(_ mode: Mode = .open, ofSyncs isOfSyncs: Bool = false) {
        state = Mutex(State(mode: mode))
        self.isOfSyncs = isOfSyncs
    }

    func set(_ mode: Mode) {
        let opened = state.withLock { state in
            state.mode = mode
            defer { state.opened = [] }
            return state.opened
        }
        for semaphore in opened { semaphore.signal() }
    }

    var system: TraceFileSystem {
        let real = TraceFileSystem.system
        return TraceFileSystem(
            write: { [self] (descriptor, bytes) throws(SystemError) in
                if !bytes.isEmpty && !isOfSyncs { try pass() }
                return try real.write(descriptor, bytes)
            },
            truncate: real.truncate,
            sync: { [self] (_) throws(SystemError) in
                if isOfSyncs { try pass() }
            })
    }

    private func pass() throws(SystemError) {
        begun.update { $0 += 1 }
        while let semaphore = waiting() { semaphore.wait() }
        if state.withLock({ $0.mode }) == .failing { throw .noSpace }
    }

    private func waiting() -> DispatchSemaphore? {
        state.withLock { state in
            guard state.mode == .shut else { return nil }
            let semaphore = DispatchSemaphore(value: 0)
            state.opened.append(semaphore)
            return semaphore
        }
    }
}
