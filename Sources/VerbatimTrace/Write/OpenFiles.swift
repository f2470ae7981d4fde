internal import Synchronization

/// Limits how many trace files are open: beyond the limit, those that were not used for longest are closed until there
/// is a record to write to them.
final class OpenFiles: Sendable {
    private struct Entry {
        let writer: TraceWriter
        var lastUse: Int
    }

    private struct State {
        var entries: [ObjectIdentifier: Entry] = [:]
        var uses = 0
    }

    private let limit: Int
    private let state = Mutex(State())

    init(limit: Int) { self.limit = max(1, limit) }

    var count: Int { state.withLock { $0.entries.count } }

    /// Called before a file is opened or written.
    func noteUse(of writer: TraceWriter) {
        for other in state.withLock({ noteUse(of: writer, in: &$0) }) {
            other.onQueueLater { $0.restFile() }
        }
    }

    func noteClosed(_ writer: TraceWriter) {
        state.withLock { $0.entries[ObjectIdentifier(writer)] = nil }
    }

    /// Returns the writers whose files are to be closed.
    private func noteUse(of writer: TraceWriter, in state: inout State) -> [TraceWriter] {
        state.uses += 1
        state.entries[ObjectIdentifier(writer)] = Entry(writer: writer, lastUse: state.uses)
        let excess = state.entries.count - limit
        if excess <= 0 { return [] }
        // Some more than needed, so that not each use of a further file has to search.
        let leaving = state.entries.values.sorted { $0.lastUse < $1.lastUse }.prefix(excess + limit / 8)
        // A file that cannot be closed now, because it is about to be written, is added again then.
        for entry in leaving { state.entries[ObjectIdentifier(entry.writer)] = nil }
        return leaving.map(\.writer)
    }
}
