package import NIOCore

/// Reports when a client's connection has waited too long.
package final class ConnectionTimer {
    /// What the connection waits for.
    package enum Wait: Hashable, Sendable {
        /// The first byte of the first request.
        case firstByte
        /// The rest of a request's head.
        case head
        /// The rest of a request's body.
        case body
        /// The first byte of a further request.
        case nextRequest
        /// The client to take the last response.
        case lastResponse
        /// The client to take the error response that ends its connection before a request was read.
        case errorResponse
        /// Nothing that depends on the client.
        case nothing
    }

    /// The longest times that a connection waits.
    package struct Limits: Sendable {
        /// For a request's head, including its first byte.
        package var head: TimeAmount = .seconds(60)
        package var body: TimeAmount = .seconds(300)
        package var nextRequest: TimeAmount = .seconds(600)
        /// Long enough for a slow connection or a busy client: the connection is still in use.
        package var lastResponse: TimeAmount = .seconds(600)

        package init() {}
    }

    private static let errorResponseLimit = TimeAmount.seconds(30)

    private let clock: HTTPClock
    private let loop: any EventLoop
    private let limits: Limits
    private let onTimeout: (Wait) -> Void
    private lazy var timer = LazyTimer(clock: clock, loop: loop) { [weak self] in self?.ring() }
    package private(set) var wait = Wait.nothing

    /// - Parameter onTimeout: Called on `loop` with what was waited for.
    package init(clock: HTTPClock, loop: any EventLoop, limits: Limits, onTimeout: @escaping (Wait) -> Void) {
        self.clock = clock
        self.loop = loop
        self.limits = limits
        self.onTimeout = onTimeout
    }

    /// Waits for this from now on. A wait for the same thing that is under way continues.
    package func start(_ wait: Wait) {
        if wait == self.wait { return }
        // The head's time includes that of the first byte, so that a connection cannot be held for twice as long.
        let continues = self.wait == .firstByte && wait == .head
        self.wait = wait
        if continues { return }
        timer.deadline = limit(of: wait).map { clock.now + $0 } ?? .distantFuture
    }

    package func stop() {
        wait = .nothing
        timer.stop()
    }

    private func ring() {
        let wait = wait
        self.wait = .nothing
        onTimeout(wait)
    }

    private func limit(of wait: Wait) -> TimeAmount? {
        switch wait {
        case .firstByte, .head: limits.head
        case .body: limits.body
        case .nextRequest: limits.nextRequest
        case .lastResponse: limits.lastResponse
        case .errorResponse: Self.errorResponseLimit
        case .nothing: nil
        }
    }
}
