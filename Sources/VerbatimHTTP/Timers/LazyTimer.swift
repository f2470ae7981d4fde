package import NIOCore

/// A timer for deadlines that are set often and seldom reached, such as those of requests.
///
/// The event loop's timer is moved only if it would be late. One that would be early is left alone: when it fires, it
/// is set again for the deadline that holds then. Setting a later deadline, or none, therefore costs nothing.
package final class LazyTimer {
    private let clock: HTTPClock
    private let loop: any EventLoop
    private let onDeadline: () -> Void
    private var timer: HTTPClock.Timer?
    private var timerDeadline = NIODeadline.distantFuture

    /// When ``onDeadline`` is called. `distantFuture` for never.
    package var deadline = NIODeadline.distantFuture {
        didSet { if deadline < timerDeadline { schedule() } }
    }

    /// - Parameter onDeadline: Called on `loop`, once for each deadline that is reached.
    package init(clock: HTTPClock, loop: any EventLoop, onDeadline: @escaping () -> Void) {
        self.clock = clock
        self.loop = loop
        self.onDeadline = onDeadline
    }

    /// Removes the event loop's timer, for a timer that is no longer needed.
    package func stop() {
        deadline = .distantFuture
        timer?.cancel()
        timer = nil
        timerDeadline = .distantFuture
    }

    private func schedule() {
        timer?.cancel()
        timerDeadline = deadline
        timer = clock.schedule(at: deadline, on: loop) { [weak self] in self?.fire() }
    }

    private func fire() {
        timer = nil
        timerDeadline = .distantFuture
        if deadline <= clock.now {
            deadline = .distantFuture
            onDeadline()
        } else if deadline < .distantFuture {
            schedule()
        }
    }
}
