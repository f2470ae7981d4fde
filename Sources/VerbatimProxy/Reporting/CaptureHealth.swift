import NIOHTTP1
import Synchronization
import VerbatimAPI
import VerbatimJSON
import VerbatimSchema
import VerbatimTrace

/// What `GET /healthz` reports: whether turns can be recorded, and whether each was captured as `--require-capture`
/// demands.
final class CaptureHealth: Sendable {
    /// Turns that are counted together.
    private struct Kind: Hashable {
        let session: String
        let dialect: String
        let model: String
        let isStream: Bool
    }

    private struct Count {
        /// Turns that were refused because they could not have been captured.
        var refused = 0
        /// Turns that were captured below the required level.
        var violations = 0
        var lastTurn = 0
        /// The number of the last of these turns, over all kinds.
        var last = 0

        mutating func note(isViolation: Bool) {
            if isViolation { violations += 1 } else { refused += 1 }
        }
    }

    private struct State {
        var total = Count()
        var kinds: [Kind: Count] = [:]
        /// Describes the last of them.
        var reason = ""
    }

    /// Most kinds that are kept; beyond it the oldest is dropped.
    private static let capacity = 256
    /// Most kinds that are reported, the latest first.
    private static let reported = 32

    private let state = Mutex(State())

    /// - Parameter model: The one that the engine was asked for.
    func note(_ record: TurnRecord, model: String) {
        let isViolation = record.problems.contains(ProblemCode.belowRequirement)
        guard isViolation || record.outcome == .refused else { return }
        let isIncomplete = !record.isComplete && !record.problems.isEmpty
        let shortfall =
            isIncomplete
            ? " incompletely (\(record.problems.map(\.rawValue).joined(separator: ", ")))"
            : ""
        let what = isViolation ? "was captured at level \(record.level.rawValue)\(shortfall)" : "was refused"
        let kind = Kind(
            session: record.sessionID, dialect: record.dialect, model: model, isStream: record.isStream)
        state.withLock { state in
            state.total.note(isViolation: isViolation)
            if state.kinds[kind] == nil, state.kinds.count >= Self.capacity,
                let oldest = state.kinds.min(by: { $0.value.last < $1.value.last })
            {
                state.kinds[oldest.key] = nil
            }
            state.kinds[kind, default: Count()].note(isViolation: isViolation)
            state.kinds[kind]?.lastTurn = record.turn
            state.kinds[kind]?.last = state.total.refused + state.total.violations
            state.reason =
                "turn \(record.turn) of session \(record.sessionID) (\(record.dialect)) \(what), "
                + "below --require-capture"
        }
    }

    /// 200 with `{"status":"ok"}` or
    /// `{"status":"degraded","reason":…,"sessions":[{"session":…,"dialect":…,"model":…,"stream":…,"violations":…,
    /// "refused":…,"last_turn":…}],"violations":…,"refused":…}`; 503 with `{"status":"unavailable","reason":…}` while
    /// turns are refused because they cannot be recorded.
    ///
    /// - Parameters:
    ///   - uncaptured: How many requests generated on routes that are not captured. Stated if there were any.
    ///   - quota: Adds whose sessions there are most of, if turns were refused because there are too many.
    ///   - namesSessions: Whether the client may see names of sessions. Without, there are no `sessions`.
    func report(
        _ recorder: (any RecordSink)?, uncaptured: Int = 0, quota: SessionQuota, namesSessions: Bool
    ) -> (status: HTTPResponseStatus, json: String) {
        if let refusal = recorder?.refusal {
            return (.serviceUnavailable, Self.json("unavailable") { $0.member("reason", refusal) })
        }
        let state = state.withLock { $0 }
        if state.total.refused + state.total.violations == 0 {
            return (
                .ok,
                Self.json("ok") { json in
                    if uncaptured > 0 { json.member("uncaptured", uncaptured) }
                    quota.write(to: &json, namesSessions: namesSessions)
                }
            )
        }
        let json = Self.json("degraded") { json in
            json.member("reason", namesSessions ? state.reason : "turns fell below --require-capture")
            if namesSessions {
                json.array("sessions") { json in
                    let latest = state.kinds.sorted { $0.value.last > $1.value.last }.prefix(Self.reported)
                    for (kind, count) in latest { json.object { Self.write(kind, count, to: &$0) } }
                }
            }
            json.member("violations", state.total.violations)
            json.member("refused", state.total.refused)
            if uncaptured > 0 { json.member("uncaptured", uncaptured) }
            quota.write(to: &json, namesSessions: namesSessions)
        }
        return (.ok, json)
    }

    private static func write(_ kind: Kind, _ count: Count, to json: inout JSONWriter) {
        json.member("session", kind.session)
        json.member("dialect", kind.dialect)
        json.member("model", kind.model)
        json.member("stream", kind.isStream)
        json.member("violations", count.violations)
        json.member("refused", count.refused)
        json.member("last_turn", count.lastTurn)
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
