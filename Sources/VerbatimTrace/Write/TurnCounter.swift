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

    func merge(_ found: TurnNumbers) {
        numbers.withLock { $0.merge(found) }
    }
}
