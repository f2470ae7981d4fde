import Synchronization

/// State with a lock, on whose changes tasks can wait without polling.
///
/// A task waits for a condition. Every update checks the conditions, and resumes the tasks whose conditions hold.
package final class Monitor<State: Sendable>: Sendable {
    private struct Waiter {
        let condition: @Sendable (State) -> Bool
        let continuation: CheckedContinuation<Void, Never>
    }

    private struct Storage {
        var state: State
        var waiters: [Int: Waiter] = [:]
        var nextWaiter = 0

        mutating func removeSatisfiedWaiters() -> [CheckedContinuation<Void, Never>] {
            guard !waiters.isEmpty else { return [] }
            let satisfied = waiters.filter { $0.value.condition(state) }
            for key in satisfied.keys { waiters[key] = nil }
            return satisfied.values.map(\.continuation)
        }
    }

    private let storage: Mutex<Storage>

    package init(_ state: State) {
        storage = Mutex(Storage(state: state))
    }

    /// A snapshot of the state.
    package var state: State {
        storage.withLock { $0.state }
    }

    /// Reads part of the state without copying all of it.
    package func read<Result: Sendable>(_ body: (State) throws -> Result) rethrows -> Result {
        try storage.withLock { try body($0.state) }
    }

    /// Changes the state, then resumes every waiter whose condition has come to hold.
    @discardableResult
    package func update<Result: Sendable>(_ body: (inout State) throws -> Result) rethrows -> Result {
        let (result, satisfied) = try storage.withLock { storage in
            let result = try body(&storage.state)
            return (result, storage.removeSatisfiedWaiters())
        }
        for continuation in satisfied { continuation.resume() }
        return result
    }

    /// Returns once `condition` holds, or as soon as the calling task is cancelled.
    package func wait(until condition: @escaping @Sendable (State) -> Bool) async {
        let key = storage.withLock { storage in
            storage.nextWaiter += 1
            return storage.nextWaiter
        }
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let resumeNow = storage.withLock { storage in
                    if Task.isCancelled || condition(storage.state) { return true }
                    storage.waiters[key] = Waiter(condition: condition, continuation: continuation)
                    return false
                }
                if resumeNow { continuation.resume() }
            }
        } onCancel: {
            storage.withLock { $0.waiters.removeValue(forKey: key) }?.continuation.resume()
        }
    }
}
