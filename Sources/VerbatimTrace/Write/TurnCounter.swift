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

    func merge(_ found: TurnNumbers) {
        numbers.withLock { $0.merge(found) }
    }
}
