import VerbatimJSON
import Logging
import VerbatimHTTP
import VerbatimTrace
import VerbatimSchema

/// Logs one line for each turn.
struct TurnLog: Sendable {
    private let logger: Logger
    private let incomplete = IncompleteTurns()
    /// One for each reason, so that none hides another.
    private let refused: [Refusal: RateLimitedLog]
    private let refusedRequests: RefusedRequests

    /// Why a turn is refused before it has a number.
    enum Refusal: String, CaseIterable {
        case traceUnavailable = "the trace cannot be written"
        case tooManySessions = "there are too many sessions"
        case tooManySessionsOfKey = "its key has begun too many sessions"
    }

    init(logger: Logger, clock: HTTPClock) {
        self.logger = logger
        refusedRequests = RefusedRequests(logger: logger, clock: clock)
        refused = Dictionary(
            uniqueKeysWithValues: Refusal.allCases.map { ($0, RateLimitedLog(clock: clock, logger: logger)) })
    }

    /// - Parameter isKept: Whether the record was in the trace before the agent's reply ended.
    func turn(_ record: TurnRecord, isKept: Bool) {
        let level: Logger.Level = isKept && incomplete.isNews(record) ? .warning : .info
        guard logger.logLevel <= level || !isKept else { return }
        if !isKept {
            var marked = record
            marked.markWriteFailed()
            return log(marked, at: .error)
        }
        log(record, at: level)
    }

    private func log(_ record: TurnRecord, at level: Logger.Level) {
        var metadata = fields(of: record)
        if let failure = record.failure { metadata["error"] = .string(failure) }
        logger.log(level: level, "turn", metadata: metadata)
    }

    private func fields(of record: TurnRecord) -> Logger.Metadata {
        [
            "turn": .string(String(record.turn)),
            "session": .string(record.sessionID),
            "model": .string(Self.model(of: record)),
            "status": .string(record.status.map { String($0) } ?? "-"),
            "outcome": .string(record.outcome.rawValue),
            "tokens": .string(
                String(record.choices.reduce(0) { $0 + max($1.tokenIDs.count, $1.logprobValues.count) })),
            "seconds": .string(Self.milliseconds(record.latency)),
            "ttft": .string(record.timeToFirstToken.map(Self.milliseconds) ?? "-"),
            "engine": .string(record.engine ?? "-"),
            "capture": .string(record.level.rawValue),
            "complete": .string(record.isComplete ? "true" : "false"),
            "problems": .string(record.problems.map(\.rawValue).joined(separator: ",")),
        ]
    }

    /// A request was refused before it could become a turn.
    func refusedRequest(_ error: ErrorResponse) { refusedRequests.note(error) }

    /// Every agent is refused while a disk is full: the line is logged at intervals, with the number of turns.
    func refusedTurn(_ reason: Refusal) {
        refused[reason]?.log("refused a turn", metadata: ["reason": "\(reason.rawValue)"])
    }

    /// The model named by the engine, else by the request.
    private static func model(of record: TurnRecord) -> String {
        if let model = record.model.flatMap({ string($0) }) { return model }
        return record.requestedModel.isEmpty ? "-" : record.requestedModel
    }

    private static func string(_ json: [UInt8]) -> String? {
        var cursor = JSONCursor()
        let value = try? cursor.skipValue(in: json.span)
        return value?.string(in: json.span)
    }

    private static func milliseconds(_ seconds: Double) -> String {
        let milliseconds = max(0, Int((seconds * 1000).rounded()))
        let fraction = String(milliseconds % 1000)
        return "\(milliseconds / 1000)." + String(repeating: "0", count: 3 - fraction.count) + fraction
    }
}
