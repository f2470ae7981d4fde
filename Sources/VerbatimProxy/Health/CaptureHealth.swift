import VerbatimJSON
import NIOHTTP1
import Synchronization
import VerbatimTrace
import VerbatimAPI

/// Whether turns can be recorded, and every one has been captured as `--require-capture` demands; what `GET /healthz`
/// tells.
final class CaptureHealth: Sendable {
    private struct State {
        /// Turns that were refused because they could not have been captured.
        var refused = 0
        /// Turns that were captured below what is demanded.
        var violations = 0
        /// Why the last of them was.
        var reason = ""
    }

    private let state = Mutex(State())

    func note(_ record: TurnRecord) {
        let isViolation = record.problems.contains(Problem.belowRequirement)
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
    /// - Parameter namesSessions: Whether who asks may know of any session, and so of the reason.
    func report(
        _ recorder: TraceRecorder?, namesSessions: Bool
    ) -> (status: HTTPResponseStatus, json: String) {
        if let refusal = recorder?.refusal {
            return (.serviceUnavailable, Self.json("unavailable") { $0.member("reason", refusal) })
        }
        let state = state.withLock { $0 }
        if state.refused + state.violations == 0 { return (.ok, Self.json("ok") { _ in }) }
        let json = Self.json("degraded") { json in
            json.member("reason", namesSessions ? state.reason : "turns fell below --require-capture")
            json.member("violations", state.violations)
            json.member("refused", state.refused)
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
