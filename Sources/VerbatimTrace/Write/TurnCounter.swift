internal import Synchronization

/// ``TurnNumbers``, shared by the event loops and the writer.
final class TurnCounter: Sendable {
    private let numbers: Mutex<TurnNumbers>

    init(_ numbers: TurnNumbers) {
        self.numbers = Mutex(numbers)
    }

    func next(inSession id: String) -> Int? {
        numbers.withLock { $0.next(inSession: id) }
    }

    /// Notes that the turn's record is submitted. Returns the earlier turns of its session whose records are not.
    func finish(_ turn: Int, inSession id: String) -> [Int] {
        numbers.withLock { $0.finish(turn, inSession: id) }
    }

    /// Whether each turn that has a number has its record, too.
    var isIdle: Bool { numbers.withLock { $0.isIdle } }

    /// The turns that have a number and no record yet, by session.
    var unfinishedTurns: [String: Set<Int>] { numbers.withLock { $0.unfinished } }

    /// The sessions that have turns.
    var sessions: [String] { numbers.withLock { $0.sessions } }

    func merge(_ found: TurnNumbers) {
        numbers.withLock { $0.merge(found) }
    }
}
