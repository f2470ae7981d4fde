import JSONBytes
import Logging
import Trace

/// One line in the log for each turn.
struct TurnLog: Sendable {
    let logger: Logger

    func turn(_ record: TurnRecord) {
        logger.info(
            "turn",
            metadata: [
                "turn": "\(record.turn)",
                "session": "\(record.sessionID)",
                "model": "\(record.model.map { String(decoding: $0, as: UTF8.self) } ?? "-")",
                "status": "\(record.status.map(String.init) ?? "-")",
                "outcome": "\(record.outcome.rawValue)",
                "tokens": "\(record.choices.reduce(0) { $0 + max($1.tokenIDs.count, $1.logprobValues.count) })",
                "seconds": "\(Self.milliseconds(record.latency))",
                "ttft": "\(record.timeToFirstToken.map(Self.milliseconds) ?? "-")",
                "engine": "\(record.engine ?? "-")",
                "capture": "\(record.level.rawValue)",
                "complete": "\(record.isComplete)",
                "problems": "\(record.problems.joined(separator: ","))",
            ])
    }

    func refusedTurn() {
        logger.warning("refused a turn: the trace cannot be written")
    }

    private static func milliseconds(_ seconds: Double) -> String {
        let milliseconds = Int((seconds * 1000).rounded())
        let fraction = String(milliseconds % 1000)
        return "\(milliseconds / 1000)." + String(repeating: "0", count: 3 - fraction.count) + fraction
    }
}
