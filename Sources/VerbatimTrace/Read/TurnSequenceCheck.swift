/// Checks that the turns of each session have no gap or repetition, in any order of their lines. A session need not
/// start with turn 1: its first turns may be in a file that was rotated away.
struct TurnSequenceCheck: Sendable {
    struct Place: Hashable, Comparable, Sendable {
        let file: Int
        let line: Int

        static func < (a: Place, b: Place) -> Bool { (a.file, a.line) < (b.file, b.line) }
    }

    /// `isExplained`: the turns were unfinished when a later one was written, so that the proxy was killed before they
    /// ended, or still runs.
    typealias Gap = (session: String, missing: ClosedRange<Int>, place: Place, isExplained: Bool)

    fileprivate struct Session: Sendable {
        /// A run of turns without a gap, and the place of the first.
        var block: Range<Int>
        var start: Place
        /// Turns outside of that run, with their places.
        var apart: [Int: Place] = [:]
        /// Turns that a record names as unfinished and that have not been seen.
        var unfinished: Set<Int> = []
    }

    private var sessions: [String: Session] = [:]

    var sessionCount: Int { sessions.count }

    /// The number of sessions without turn 1.
    var continuedSessionCount: Int { sessions.values.count { $0.block.lowerBound > 1 && $0.apart[1] == nil } }

    /// Notes a turn, and earlier ones that were unfinished when it was written. Returns false if it has been seen
    /// before.
    mutating func visit(_ turn: Int, of session: String, at place: Place, unfinished: [Int] = []) -> Bool {
        let isNew = sessions[session]?.visit(turn, at: place) ?? begin(session, with: turn, at: place)
        if !unfinished.isEmpty { sessions[session]?.unfinished.formUnion(unfinished) }
        return isNew
    }

    private mutating func begin(_ session: String, with turn: Int, at place: Place) -> Bool {
        // The upper bound of the range must not overflow.
        sessions[session] = Session(block: turn..<(turn == Int.max ? turn : turn + 1), start: place)
        return true
    }

    /// The missing turns between others, each with the place of the turn that follows it.
    func gaps() -> [Gap] {
        sessions.flatMap { name, session in session.gaps.map { (name, $0.missing, $0.place, $0.isExplained) } }
            .sorted { $0.place < $1.place }
    }
}

extension TurnSequenceCheck.Session {
    fileprivate mutating func visit(_ turn: Int, at place: TurnSequenceCheck.Place) -> Bool {
        if block.contains(turn) || apart[turn] != nil || turn == Int.max { return false }
        apart[turn] = place
        var upper = block.upperBound
        while apart.removeValue(forKey: upper) != nil { upper += 1 }
        var lower = block.lowerBound
        while let place = apart.removeValue(forKey: lower - 1) {
            lower -= 1
            start = place
        }
        block = lower..<upper
        return true
    }

    /// Turns that are missing for the same reason, in order.
    fileprivate var gaps: [(missing: ClosedRange<Int>, place: TurnSequenceCheck.Place, isExplained: Bool)] {
        holes.flatMap { hole in
            // Only the turns that a record names are looked at: a hole may be wide.
            var parts: [(ClosedRange<Int>, TurnSequenceCheck.Place, Bool)] = []
            var next = hole.missing.lowerBound
            for turn in unfinished.filter({ hole.missing.contains($0) }).sorted() {
                if next < turn { parts.append((next...turn - 1, hole.place, false)) }
                if let last = parts.last, last.2, last.0.upperBound == turn - 1 {
                    parts[parts.count - 1].0 = last.0.lowerBound...turn
                } else {
                    parts.append((turn...turn, hole.place, true))
                }
                next = turn + 1
            }
            if next <= hole.missing.upperBound { parts.append((next...hole.missing.upperBound, hole.place, false)) }
            return parts
        }
    }

    private var holes: [(missing: ClosedRange<Int>, place: TurnSequenceCheck.Place)] {
        var parts = apart.map { (turns: $0.key..<$0.key + 1, place: $0.value) }
        parts.append((block, start))
        parts.sort { $0.turns.lowerBound < $1.turns.lowerBound }
        return zip(parts, parts.dropFirst()).compactMap { earlier, later in
            let missing = earlier.turns.upperBound..<later.turns.lowerBound
            return missing.isEmpty ? nil : (ClosedRange(missing), later.place)
        }
    }
}
