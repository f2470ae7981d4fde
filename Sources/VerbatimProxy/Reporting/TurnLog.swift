import VerbatimJSON
import Logging
import VerbatimTrace
import VerbatimSchema

/// Logs one line for each turn.
struct TurnLog: Sendable {
    let logger: Logger

    /// - Parameter isKept: Whether the record was in the trace before the agent's reply ended.
    func turn(_ record: TurnRecord, isKept: Bool) {
        guard logger.logLevel <= .info || !isKept else { return }
        if !isKept {
            var marked = record
            marked.markWriteFailed()
            return log(marked, at: .error)
        }
        log(record, at: .info)
    }

    private func log(_ record: TurnRecord, at level: Logger.Level) {
        logger.log(
            level: level, "turn",
            metadata: [
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
            ])
    }

    func refusedTurn(_ reason: String) {
        logger.warning("refused a turn", metadata: ["reason": "\(reason)"])
    }

    /// The model named by the engine, else by the request.
    private static func model(of record: TurnRecord) -> String {
        if let model = record.model.flatMap({ string($0) }) { return model }
        let request = record.request.span
        let object = try? JSONObject(document: request)
        return object?.value("model", in: request)?.string(in: request) ?? "-"
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
