package import NIOCore

/// The time of a server: what the present instant is, and how a task is run at a later one.
///
/// Everything in the server that depends on time uses its clock, so that tests can replace it by one they advance
/// themselves. The trace's timestamps are the exception: they are dates.
package struct HTTPClock: Sendable {
    /// A task that has not run yet.
    package struct Timer {
        private let onCancel: () -> Void

        package init(onCancel: @escaping () -> Void) { self.onCancel = onCancel }

        /// Keeps the task from running. Does nothing if it has run. To be called on the task's event loop.
        package func cancel() { onCancel() }
    }

    package typealias Now = @Sendable () -> NIODeadline
    package typealias Schedule = @Sendable (NIODeadline, any EventLoop, _ task: @escaping () -> Void) -> Timer

    private let readNow: Now
    private let setTimer: Schedule

    /// - Parameter schedule: Called on the event loop that it is passed, on which the task must run.
    package init(now: @escaping Now, schedule: @escaping Schedule) {
        readNow = now
        setTimer = schedule
    }

    /// The clock of the operating system.
    package static let system = HTTPClock {
        .now()
    } schedule: { deadline, loop, task in
        let scheduled = loop.assumeIsolated().scheduleTask(deadline: deadline, task)
        return Timer { scheduled.cancel() }
    }

    package var now: NIODeadline { readNow() }

    /// Runs `task` on `loop` once `deadline` has come. To be called on that loop.
    @discardableResult
    package func schedule(at deadline: NIODeadline, on loop: any EventLoop, _ task: @escaping () -> Void) -> Timer {
        setTimer(deadline, loop, task)
    }

    /// Runs `task` on `loop` after `delay`. To be called on that loop.
    @discardableResult
    package func schedule(in delay: TimeAmount, on loop: any EventLoop, _ task: @escaping () -> Void) -> Timer {
        setTimer(readNow() + delay, loop, task)
    }

    /// Returns after `delay`, or as soon as the calling task is cancelled.
    package func sleep(for delay: TimeAmount, on loop: any EventLoop) async {
        let wake = loop.makePromise(of: Void.self)
        await withTaskCancellationHandler {
            let timer = loop.submit {
                NIOLoopBound(schedule(in: delay, on: loop) { wake.succeed() }, eventLoop: loop)
            }
            try? await wake.futureResult.get()
            timer.whenSuccess { $0.value.cancel() }
        } onCancel: {
            wake.succeed()
        }
    }
}
