import Synchronization
import VerbatimSchema
import VerbatimTrace

/// Which incomplete turns are news: the first of its session that lacks what it lacks.
final class IncompleteTurns: Sendable {
    private struct Kind: Hashable {
        let session: String
        let problems: [ProblemCode]
    }

    /// Beyond it all kinds are forgotten, and may be news again.
    private static let maximumKinds = 4096

    private let known = Mutex<Set<Kind>>([])

    /// Whether the turn ended well, its capture is incomplete, and no turn of its session was so for the same reasons.
    func isNews(_ record: TurnRecord) -> Bool {
        guard record.outcome == .completed, !record.isComplete, !record.problems.isEmpty else { return false }
        let kind = Kind(session: record.sessionID, problems: record.problems.sorted { $0.rawValue < $1.rawValue })
        return known.withLock { known in
            if known.count >= Self.maximumKinds { known.removeAll() }
            return known.insert(kind).inserted
        }
    }
}
