internal import Synchronization
package import VerbatimTrace

/// A sink that holds records in memory. It persists each at once, on the caller's thread.
package final class InMemorySink: RecordSink {
    private struct State {
        var lastTurns: [String: Int] = [:]
        var records: [TurnRecord] = []
        var refusedTurns = 0
        var isClosed = false
    }

    private let state = Mutex(State())

    package init() {}

    /// The records that were persisted, in order.
    package var records: [TurnRecord] { state.withLock { $0.records } }

    /// How many turns the proxy has refused because of ``refusal``.
    package var refusedTurns: Int { state.withLock { $0.refusedTurns } }

    package var isClosed: Bool { state.withLock { $0.isClosed } }

    package func nextTurn(inSession id: String, of rollout: String) -> TurnNumber {
        state.withLock { state in
            let turn = state.lastTurns[id, default: 0] + 1
            state.lastTurns[id] = turn
            return .turn(turn)
        }
    }

    package var refusal: String? { isClosed ? "the sink is closed" : nil }

    package func noteRefusedTurn() { state.withLock { $0.refusedTurns += 1 } }

    package func record(_ submissions: [RecordSubmission]) {
        let isOpen = state.withLock { state in
            if state.isClosed { return false }
            state.records += submissions.map(\.record.record)
            return true
        }
        let result: Result<Void, TraceError> =
            isOpen
            ? .success(()) : .failure(TraceError(.closed, message: "the sink is closed", reason: "the sink is closed"))
        for submission in submissions { submission.onPersisted(result) }
    }

    package func reopen(whenDone: @escaping @Sendable (TraceError?) -> Void) { whenDone(nil) }

    package func close() { state.withLock { $0.isClosed = true } }
}
