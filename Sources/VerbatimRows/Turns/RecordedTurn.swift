import VerbatimJSON
import VerbatimSchema
import VerbatimTrace

/// What rows need to know of a turn, without its tokens.
struct RecordedTurn: Sendable {
    let key: TurnKey
    let parentSession: String?
    let retryOf: Int?
    let model: String?
    let engine: String?
    let outcome: TurnOutcome
    let isComplete: Bool
    /// Whether the record itself says that its tokens may not be those that were sampled, or not all up to the last.
    let isContradicted: Bool
    /// Unix time of the request's arrival, and of the engine's last byte, in seconds.
    let start: Double
    let end: Double
    let request: RequestFacts
    let conversation: Conversation

    init(_ turn: Turn) {
        key = TurnKey(session: turn.sessionID, turn: turn.number)
        parentSession = turn.parentSessionID
        retryOf = turn.retryOf
        model = turn.model
        engine = turn.engine
        outcome = turn.outcome
        isComplete = turn.isCaptureComplete
        isContradicted = turn.captureProblems.contains { Self.contradictions.contains($0) }
        start = turn.timestamp
        end = turn.timestamp + turn.latency
        let requestJSON = turn.requestJSON
        request = RequestFacts(requestJSON)
        conversation = Conversation(request: requestJSON, response: turn.responseJSON)
    }

    private static let contradictions: Set<ProblemCode> = [
        .tokenCountMismatch, .duplicateEvent, .tokenTextMismatch, .idsLogprobsMismatch, .eventMissing, .unparsedEvent,
    ]

    /// The agent received the whole reply.
    var isDelivered: Bool { outcome == .completed }
}
