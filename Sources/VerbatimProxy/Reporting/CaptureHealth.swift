import VerbatimJSON
import NIOHTTP1
import Synchronization
import VerbatimTrace
import VerbatimAPI
import VerbatimSchema

/// What `GET /healthz` reports: whether turns can be recorded, and whether each was captured as `--require-capture`
/// demands.
final class CaptureHealth: Sendable {
    private struct State {
        /// Turns that were refused because they could not have been captured.
        var refused = 0
        /// Turns that were captured below the required level.
        var violations = 0
        /// Describes the last of them.
        var reason = ""
    }

    private let state = Mutex(State())

    func note(_ record: TurnRecord) {
        let isViolation = record.problems.contains(ProblemCode.belowRequirement)
        guard isViolation || record.outcome == .refused else { return }
        let what = isViolation ? "was captured at level \(record.level.rawValue)" : "was refused"
        state.withLock { state in
            if isViolation { state.violations += 1 } else { state.refused += 1 }
            state.reason =
                "turn \(record.turn) of session \(record.sessionID) (\(record.dialect)) \(what), "
                + "below --require-capture"
        }
    }

    /// 200 with `{"status":"ok"}` or `{"status":"degraded","reason":…,"violations":…,"refused":…}`; 503 with
    /// `{"status":"unavailable","reason":…}` while turns are refused because they cannot be recorded.
    ///
    /// - Parameters:
    ///   - uncaptured: How many requests generated on routes that are not captured. Stated if there were any.
    ///   - namesSessions: Whether the client may see names of sessions, which the reason contains.
    func report(
        _ recorder: (any RecordSink)?, uncaptured: Int = 0, namesSessions: Bool
    ) -> (status: HTTPResponseStatus, json: String) {
        if let refusal = recorder?.refusal {
            return (.serviceUnavailable, Self.json("unavailable") { $0.member("reason", refusal) })
        }
        let state = state.withLock { $0 }
        if state.refused + state.violations == 0 {
            return (.ok, Self.json("ok") { if uncaptured > 0 { $0.member("uncaptured", uncaptured) } })
        }
        let json = Self.json("degraded") { json in
            json.member("reason", namesSessions ? state.reason : "turns fell below --require-capture")
            json.member("violations", state.violations)
            json.member("refused", state.refused)
            if uncaptured > 0 { json.member("uncaptured", uncaptured) }
        }
        return (.ok, json)
    }

    private static func json(_ status: String, _ writeMore: (inout JSONWriter) -> Void) -> String {
        JSONWriter.string { json in
            json.object { json in
                json.member("status", status)
                writeMore(&json)
            }
        }
    }
}
