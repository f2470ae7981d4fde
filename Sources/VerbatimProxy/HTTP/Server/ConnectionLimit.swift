import Logging
import NIOCore
import Synchronization

/// How many agents may be connected at a time. Shared by all event loops; asked once per connection.
final class ConnectionLimit: Sendable {
    /// So many more are told that they are too many; whoever comes beyond them is told, but not waited for.
    private static let lingering = 64

    enum Admission {
        case admitted
        /// To be answered that there are too many.
        case refused
        /// To be answered that there are too many, and closed without waiting until the answer is read.
        case cutOff
    }

    private let maximum: Int
    private let admitted = Atomic(0)
    private let refused = Atomic(0)
    private let warning: RateLimitedLog

    init(maximum: Int, clock: HTTPClock, logger: Logger) {
        self.maximum = maximum
        warning = RateLimitedLog(clock: clock, logger: logger)
    }

    /// Counts an agent that has connected; ``leave(_:)`` is to be called when it is gone.
    func enter() -> Admission {
        if admitted.add(1, ordering: .relaxed).newValue <= maximum { return .admitted }
        admitted.subtract(1, ordering: .relaxed)
        warning.log("refused connections: there are too many", metadata: ["max_connections": "\(maximum)"])
        return refused.add(1, ordering: .relaxed).newValue <= Self.lingering ? .refused : .cutOff
    }

    func leave(_ admission: Admission) {
        switch admission {
        case .admitted: admitted.subtract(1, ordering: .relaxed)
        case .refused, .cutOff: refused.subtract(1, ordering: .relaxed)
        }
    }
}

/// A warning that comes often, and is logged now and then.
final class RateLimitedLog: Sendable {
    private struct State {
        var next = NIODeadline.uptimeNanoseconds(0)
        var suppressed = 0
    }

    private static let interval = TimeAmount.seconds(5)

    private let clock: HTTPClock
    private let logger: Logger
    private let state = Mutex(State())

    init(clock: HTTPClock, logger: Logger) {
        self.clock = clock
        self.logger = logger
    }

    /// Logs the message, with how often it was due since it was last logged.
    func log(_ message: Logger.Message, metadata: Logger.Metadata) {
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
