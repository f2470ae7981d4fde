package import NIOCore
import VerbatimTesting

/// A clock that stands still until a test advances it. The tasks that come due then run on their event loops.
package final class ManualClock: Sendable {
    private struct Timer: Sendable {
        let deadline: NIODeadline
        let loop: any EventLoop
        let task: NIOLoopBound<() -> Void>
    }

    private struct State: Sendable {
        /// Not zero, so that instants before the start can be expressed.
        var now = NIODeadline.uptimeNanoseconds(1_000_000_000_000)
        var timers: [Int: Timer] = [:]
        var nextKey = 0

        func firstDeadline(until end: NIODeadline) -> NIODeadline? {
            timers.values.map(\.deadline).filter { $0 <= end }.min()
        }
    }

    private let state = Monitor(State())

    package init() {}

    package var now: NIODeadline { state.read(\.now) }

    /// Runs `task` on `loop`, on which this is called, once the clock has reached `deadline`.
    ///
    /// - Returns: What keeps the task from running, to be called on `loop`.
    package func schedule(at deadline: NIODeadline, on loop: any EventLoop, _ task: @escaping () -> Void) -> () -> Void
    {
        let timer = Timer(deadline: deadline, loop: loop, task: NIOLoopBound(task, eventLoop: loop))
        let key = state.update { state in
            state.nextKey += 1
            state.timers[state.nextKey] = timer
            return state.nextKey
        }
        // One that is overdue does not wait for the next step.
        if deadline <= now { loop.execute { self.run(key, of: timer) } }
        return { self.state.update { $0.timers[key] = nil } }
    }

    /// Advances the clock from one deadline to the next, and returns once the tasks that were due have run.
    package func advance(by step: TimeAmount) async throws {
        let end = now + step
        while let deadline = state.read({ $0.firstDeadline(until: end) }) {
            state.update { $0.now = max($0.now, deadline) }
            let due = state.read { $0.timers.filter { $0.value.deadline <= deadline } }
            for (key, timer) in due { try await timer.loop.submit { self.run(key, of: timer) }.get() }
        }
        state.update { $0.now = max($0.now, end) }
    }

    /// Waits until a task is scheduled for the instant that is `delay` from now.
    package func waitForTimer(in delay: TimeAmount) async {
        await state.wait { state in state.timers.values.contains { $0.deadline == state.now + delay } }
    }

    /// Runs a task if it has neither run nor been cancelled.
    private func run(_ key: Int, of timer: Timer) {
        if state.update({ $0.timers.removeValue(forKey: key) }) != nil { timer.task.value() }
    }
}
