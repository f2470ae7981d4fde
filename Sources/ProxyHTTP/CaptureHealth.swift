import JSONBytes
import Synchronization
import Trace
import Wire

/// Whether every turn has been captured as `--require-capture` demands; what `GET /healthz` tells.
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

    /// `{"status":"ok"}`, or `{"status":"degraded","reason":…,"violations":…,"refused":…}`.
    ///
    /// - Parameter namesSessions: Whether who asks may know of any session, and so of the reason.
    func json(namesSessions: Bool) -> String {
        let state = state.withLock { $0 }
        if state.refused + state.violations == 0 { return #"{"status":"ok"}"# }
        var reason: [UInt8] = []
        reason.appendJSONString(namesSessions ? state.reason : "turns fell below --require-capture")
        return #"{"status":"degraded","reason":\#(String(decoding: reason, as: UTF8.self)),"#
            + #""violations":\#(state.violations),"refused":\#(state.refused)}"#
    }
}
