package import Logging
import NIOCore
import Synchronization

/// Logs a warning that may be due often at most once in five seconds.
package final class RateLimitedLog: Sendable {
    private struct State {
        var next = NIODeadline.uptimeNanoseconds(0)
        var suppressed = 0
    }

    private static let interval = TimeAmount.seconds(5)

    private let clock: HTTPClock
    private let logger: Logger
    private let state = Mutex(State())

    package init(clock: HTTPClock, logger: Logger) {
        self.clock = clock
        self.logger = logger
    }

    /// Logs the message, with the number of times it was due since it was last logged.
    package func log(_ message: Logger.Message, metadata: Logger.Metadata) {
        let now = clock.now
        let times = state.withLock { state -> Int? in
            state.suppressed += 1
            if now < state.next { return nil }
            state.next = now + Self.interval
            defer { state.suppressed = 0 }
            return state.suppressed
        }
        guard let times else { return }
        logger.warning(message, metadata: metadata.merging(["times": "\(times)"]) { $1 })
    }
}
