import NIOCore

/// Tells when an agent's connection has waited too long for what it waits for.
///
/// There is one timer a connection, which is moved only if it would be late: most requests come whole, and cost nothing.
final class ConnectionTimer {
    /// What is waited for.
    enum Wait: Hashable {
        /// The first byte of the first request.
        case firstByte
        /// The rest of a request's head.
        case head
        /// The rest of a request's body.
        case body
        /// The first byte of a further request.
        case nextRequest
        /// That the agent takes the last reply.
        case end
        /// That an agent takes the answer that ends its connection before it has been served.
        case farewell
        /// Nothing that is the agent's to do.
        case nothing
    }

    private static let farewellTime = TimeAmount.seconds(30)

    private let loop: ProxyLoop
    private let onTimeout: (Wait) -> Void
    private(set) var wait = Wait.nothing
    private var deadline = NIODeadline.distantFuture
    private var timer: Scheduled<Void>?
    private var timerDeadline = NIODeadline.distantFuture

    init(in loop: ProxyLoop, onTimeout: @escaping (Wait) -> Void) {
        self.loop = loop
        self.onTimeout = onTimeout
    }

    /// Waits from now on; goes on waiting if that is what is waited for already.
    func start(_ wait: Wait) {
        if wait == self.wait { return }
        // The head's time includes that of the first byte, so that a connection cannot be held for twice as long.
        let goesOn = self.wait == .firstByte && wait == .head
        self.wait = wait
        if goesOn { return }
        deadline = limit(of: wait).map { .now() + $0 } ?? .distantFuture
        if deadline < timerDeadline { schedule() }
    }

    func stop() {
        wait = .nothing
        deadline = .distantFuture
        timer?.cancel()
        timer = nil
        timerDeadline = .distantFuture
    }

    private func limit(of wait: Wait) -> TimeAmount? {
        switch wait {
        case .firstByte, .head: loop.settings.headTimeout
        case .body: loop.settings.bodyTimeout
        case .nextRequest: loop.settings.keepAlive
        // The connection is still in use: it may be slow, or the agent busy.
        case .end: loop.settings.requestTimeout
        case .farewell: Self.farewellTime
        case .nothing: nil
        }
    }

    private func schedule() {
        timer?.cancel()
        timerDeadline = deadline
        timer = loop.eventLoop.assumeIsolated().scheduleTask(deadline: deadline) { [weak self] in self?.ring() }
    }

    private func ring() {
        timer = nil
        timerDeadline = .distantFuture
        if deadline <= .now() {
            let wait = wait
            stop()
            onTimeout(wait)
        } else if deadline < .distantFuture {
            schedule()
        }
    }
}
