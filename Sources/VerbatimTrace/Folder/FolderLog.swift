internal import Synchronization

/// Reports the events of many files as those of one folder: when the disk is full, not each of a thousand files is
/// reported.
final class FolderLog: Sendable {
    private struct State {
        /// Files that cannot be written.
        var failing = 0
        /// How many of them were reported.
        var reported = 0
        /// Records that were written late, by files whose success is not reported.
        var recorded = 0
        var lost = 0
    }

    /// So many files are reported at a time.
    private static let limit = 3

    private let state = Mutex(State())
    private let log: @Sendable (TraceEvent) -> Void

    init(_ log: @escaping @Sendable (TraceEvent) -> Void) { self.log = log }

    func append(_ event: TraceEvent) {
        if let event = state.withLock({ Self.pass(event, through: &$0) }) { log(event) }
    }

    /// Reports how many records were lost, once all files are closed.
    func end() {
        let lost = state.withLock { state in
            defer { state.lost = 0 }
            return state.lost
        }
        if lost > 0 { log(.recordsLost(count: lost)) }
    }

    private static func pass(_ event: TraceEvent, through state: inout State) -> TraceEvent? {
        switch event {
        case .writeFailed:
            state.failing += 1
            guard state.reported < limit else { return nil }
            state.reported += 1
            return event
        case .writeResumed(let recorded):
            state.failing -= 1
            state.recorded += recorded
            guard state.failing == 0 else { return nil }
            defer { state = State() }
            return .writeResumed(recorded: state.recorded)
        case .recordsLost(let count):
            state.lost += count
            return nil
        default: return event
        }
    }
}
