/// Checks that the turns of each session are 1, 2, … without gap or repetition, in whatever order they were recorded.
struct TurnSequenceCheck: Sendable {
    fileprivate struct Session: Sendable {
        /// All turns before this one have been seen.
        var next = 1
        /// Turns seen beyond `next`, and their lines.
        var ahead: [Int: Int] = [:]
    }

    private var sessions: [String: Session] = [:]

    var sessionCount: Int { sessions.count }

    /// Notes a turn; false if it has been seen before.
    mutating func visit(_ turn: Int, of session: String, line: Int) -> Bool {
        sessions[session, default: Session()].visit(turn, line: line)
    }

    /// The turns that are missing before others, with the line of the turn that follows them.
    func gaps() -> [(session: String, missing: ClosedRange<Int>, line: Int)] {
        var gaps: [(session: String, missing: ClosedRange<Int>, line: Int)] = []
        for (name, session) in sessions {
            var expected = session.next
            for (turn, line) in session.ahead.sorted(by: { $0.key < $1.key }) {
                if turn > expected { gaps.append((name, expected...turn - 1, line)) }
                expected = turn + 1
            }
        }
        return gaps.sorted { $0.line < $1.line }
    }
}

extension TurnSequenceCheck.Session {
    fileprivate mutating func visit(_ turn: Int, line: Int) -> Bool {
        if turn < next || ahead[turn] != nil { return false }
        ahead[turn] = line
        while ahead.removeValue(forKey: next) != nil { next += 1 }
        return true
    }
}
