package import NIOCore

/// Reports when an exchange with the upstream exceeds its total time or its silence limit. One for each connection.
package final class ExchangeTimer {
    /// The longest times of an exchange.
    package struct Limits: Sendable {
        /// From ``ExchangeTimer/start(_:isListening:onTimeout:)`` to the end of the response.
        package var total: TimeAmount
        /// Without anything from the upstream; `nil` for no limit.
        package var silence: TimeAmount?

        package init(total: TimeAmount, silence: TimeAmount?) {
            self.total = total
            self.silence = silence
        }
    }

    /// Which limit was reached, with its value.
    package enum Timeout: Equatable, Sendable {
        case total(TimeAmount)
        case silence(TimeAmount)

        /// For the client, with the setting's flag.
        package var message: String {
            switch self {
            case .total(let limit):
                "the upstream did not finish its response within \(limit.seconds) (--request-timeout)"
            case .silence(let limit): "the upstream sent nothing for \(limit.seconds) (--idle-timeout)"
            }
        }
    }

    private let clock: HTTPClock
    private let loop: any EventLoop
    private lazy var total = LazyTimer(clock: clock, loop: loop) { [weak self] in self?.totalDidPass() }
    private lazy var silence = LazyTimer(clock: clock, loop: loop) { [weak self] in self?.silenceMayHavePassed() }
    private var limits = Limits(total: .zero, silence: nil)
    private var lastActivity = NIODeadline.uptimeNanoseconds(0)
    private var isListening: (() -> Bool)?
    private var onTimeout: ((Timeout) -> Void)?

    package init(clock: HTTPClock, loop: any EventLoop) {
        self.clock = clock
        self.loop = loop
    }

    /// Begins an exchange.
    ///
    /// - Parameters:
    ///   - isListening: Whether the upstream is expected to send: only then its silence counts.
    ///   - onTimeout: Called at most once.
    package func start(
        _ limits: Limits, isListening: @escaping () -> Bool, onTimeout: @escaping (Timeout) -> Void
    ) {
        self.limits = limits
        self.isListening = isListening
        self.onTimeout = onTimeout
        lastActivity = clock.now
        total.deadline = lastActivity + limits.total
        if let limit = limits.silence { silence.deadline = lastActivity + limit }
    }

    /// Notes that the upstream has sent something, or is expected to from now on.
    package func touch(at now: NIODeadline) { lastActivity = now }

    /// Ends the exchange.
    package func cancel() {
        total.deadline = .distantFuture
        if limits.silence != nil { silence.deadline = .distantFuture }
        isListening = nil
        onTimeout = nil
    }

    /// Ends the exchange, after which no other begins.
    package func stop() {
        cancel()
        total.stop()
        if limits.silence != nil { silence.stop() }
    }

    private func totalDidPass() { expire(.total(limits.total)) }

    private func silenceMayHavePassed() {
        guard let limit = limits.silence else { return }
        let now = clock.now
        if isListening?() == false { lastActivity = now }
        let deadline = lastActivity + limit
        if deadline <= now { expire(.silence(limit)) } else { silence.deadline = deadline }
    }

    private func expire(_ timeout: Timeout) {
        let onTimeout = onTimeout
        cancel()
        onTimeout?(timeout)
    }
}

extension TimeAmount {
    /// `600 s`, `0.25 s`
    fileprivate var seconds: String {
        let milliseconds = nanoseconds / 1_000_000
        return milliseconds % 1000 == 0 ? "\(milliseconds / 1000) s" : "\(Double(milliseconds) / 1000) s"
    }
}
