package import VerbatimJSON

/// What a finished turn used.
package struct TurnUse: Hashable, Sendable {
    package var session: String
    package var parent: String?
    package var turn: Int
    package var outcome: String
    package var problems: [String]
    package var promptTokens: Int
    package var completionTokens: Int
    /// Whether the engine did not state the numbers, so that they are an estimate.
    package var isEstimated: Bool
    /// Unix time of the turn's arrival, in seconds.
    package var started: Double

    package init(
        session: String, parent: String?, turn: Int, outcome: String, problems: [String], promptTokens: Int,
        completionTokens: Int, isEstimated: Bool, started: Double
    ) {
        self.session = session
        self.parent = parent
        self.turn = turn
        self.outcome = outcome
        self.problems = problems
        self.promptTokens = promptTokens
        self.completionTokens = completionTokens
        self.isEstimated = isEstimated
        self.started = started
    }
}

/// What the turns of a rollout have used together.
package struct RolloutUse: Hashable, Sendable {
    package struct Session: Hashable, Sendable {
        package var parent: String?
        package var turns = 0
    }

    /// Turns with a record.
    package private(set) var turns = 0
    package private(set) var promptTokens = 0
    package private(set) var completionTokens = 0
    /// Whether a part of the tokens is an estimate.
    package private(set) var isEstimated = false
    package private(set) var firstCall: Double?
    package private(set) var lastCall: Double?
    package private(set) var sessions: [String: Session] = [:]
    package private(set) var outcomes: [String: Int] = [:]
    package private(set) var problems: [String: Int] = [:]

    package init() {}

    package var totalTokens: Int { promptTokens + completionTokens }

    package mutating func noteCall(at time: Double) {
        firstCall = min(firstCall ?? time, time)
        lastCall = max(lastCall ?? time, time)
    }

    package mutating func add(_ turn: TurnUse) {
        turns += 1
        promptTokens += turn.promptTokens
        completionTokens += turn.completionTokens
        isEstimated = isEstimated || turn.isEstimated
        noteCall(at: turn.started)
        sessions[turn.session, default: Session(parent: turn.parent)].turns += 1
        outcomes[turn.outcome, default: 0] += 1
        for problem in turn.problems { problems[problem, default: 0] += 1 }
    }

    package func writeMembers(to json: inout JSONWriter) {
        json.member("turns", turns)
        json.member("prompt_tokens", promptTokens)
        json.member("completion_tokens", completionTokens)
        json.member("tokens_estimated", isEstimated)
        json.array("sessions") { json in
            for (id, session) in sessions.sorted(by: { $0.key < $1.key }) {
                json.object { json in
                    json.member("session_id", id)
                    json.member("parent_session_id", session.parent)
                    json.member("turns", session.turns)
                }
            }
        }
        Self.write(outcomes, "outcomes", to: &json)
        Self.write(problems, "problems", to: &json)
    }

    private static func write(_ counts: [String: Int], _ name: StaticString, to json: inout JSONWriter) {
        json.object(name) { json in
            for (word, count) in counts.sorted(by: { $0.key < $1.key }) {
                json.key(named: word)
                json.value(count)
            }
        }
    }
}
