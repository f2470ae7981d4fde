import Synchronization

/// Counts what still needs the server's event loops: open connections and work of handlers. Lets the server wait until
/// there is none.
package final class ActivityCount: Sendable {
    private struct State {
        var count = 0
        var nextID = 0
        var waiting: [Int: CheckedContinuation<Void, Never>] = [:]
    }

    private let state = Mutex(State())

    package init() {}

    package func increase() { state.withLock { $0.count += 1 } }

    package func decrease() {
        let released = state.withLock { state in
            state.count -= 1
            guard state.count == 0 else { return [CheckedContinuation<Void, Never>]() }
            defer { state.waiting = [:] }
            return Array(state.waiting.values)
        }
        for continuation in released { continuation.resume() }
    }

    /// Returns when the count is zero, or the task is cancelled.
    package func waitUntilZero() async {
        let id = state.withLock { state in
            state.nextID += 1
            return state.nextID
        }
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let isDone = state.withLock { state in
                    let isDone = state.count == 0 || Task.isCancelled
                    if !isDone { state.waiting[id] = continuation }
                    return isDone
                }
                if isDone { continuation.resume() }
            }
        } onCancel: {
            state.withLock { $0.waiting.removeValue(forKey: id) }?.resume()
        }
    }
}
