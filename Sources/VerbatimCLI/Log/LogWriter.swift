import Dispatch
import Synchronization

/// Writes log lines to standard error on a thread of its own.
///
/// The proxy's standard error may be a pipe that is never read. A full pipe must not block the event loops, so lines
/// wait in a bounded queue. Lines that do not fit are dropped, and their number is written once there is room. Lines of
/// the same few milliseconds are written together; an urgent line is written at once.
final class LogWriter: Sendable {
    private struct State {
        var waiting: [UInt8] = []
        var dropped = 0
        var isWriting = false
    }

    /// Bytes that may wait.
    private static let capacity = 1 << 20
    /// Too short to be noticed at a terminal. Under load it saves a wake-up for every further line within it.
    private static let delay = DispatchTimeInterval.milliseconds(10)

    private let state = Mutex(State())
    private let queue = DispatchQueue(label: "verbatim.log")

    func write(_ line: [UInt8], isUrgent: Bool) {
        let starts = state.withLock { state in
            if state.waiting.count + line.count > Self.capacity {
                state.dropped += 1
            } else {
                state.waiting += line
            }
            defer { state.isWriting = true }
            return !state.isWriting
        }
        if isUrgent {
            queue.async { self.drain() }
        } else if starts {
            queue.asyncAfter(deadline: .now() + Self.delay) { self.drain() }
        }
    }

    /// Waits until all lines are written, at most half a second: the pipe may be full.
    func flush() {
        let done = DispatchSemaphore(value: 0)
        queue.async {
            self.drain()
            done.signal()
        }
        _ = done.wait(timeout: .now() + .milliseconds(500))
    }

    private func drain() {
        while true {
            let lines = state.withLock { state in
                if state.dropped > 0 {
                    state.waiting.append(contentsOf: "… \(state.dropped) log lines were dropped\n".utf8)
                    state.dropped = 0
                }
                if state.waiting.isEmpty { state.isWriting = false }
                defer { state.waiting = [] }
                return state.waiting
            }
            if lines.isEmpty { return }
            StandardError.write(lines)
        }
    }
}
