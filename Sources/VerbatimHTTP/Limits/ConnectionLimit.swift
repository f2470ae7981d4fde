package import Logging
import Synchronization

/// Limits how many clients of a listener are connected at a time. Shared by all event loops; asked once per connection.
package final class ConnectionLimit: Sendable {
    package enum Decision: Equatable, Sendable {
        case admitted
        /// Respond that there are too many connections.
        case refused
        /// Respond that there are too many connections, and close without waiting for the client to read it.
        case cutOff
    }

    /// Rejected connections that may linger until the client has read the response. Further ones are closed at once.
    private static let lingering = 64

    private let maximum: Int
    private let admitted = Atomic(0)
    private let rejected = Atomic(0)
    private let warning: RateLimitedLog

    package init(maximum: Int, clock: HTTPClock, logger: Logger) {
        self.maximum = maximum
        warning = RateLimitedLog(clock: clock, logger: logger)
    }

    /// Counts a client that has connected. ``leave(_:)`` must follow when it is gone.
    package func enter() -> Decision {
        if admitted.add(1, ordering: .relaxed).newValue <= maximum { return .admitted }
        admitted.subtract(1, ordering: .relaxed)
        warning.log("refused connections: there are too many", metadata: ["max_connections": "\(maximum)"])
        return rejected.add(1, ordering: .relaxed).newValue <= Self.lingering ? .refused : .cutOff
    }

    package func leave(_ decision: Decision) {
        switch decision {
        case .admitted: admitted.subtract(1, ordering: .relaxed)
        case .refused, .cutOff: rejected.subtract(1, ordering: .relaxed)
        }
    }
}
