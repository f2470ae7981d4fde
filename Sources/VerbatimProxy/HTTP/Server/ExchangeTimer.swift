import NIOCore

/// Tells when an exchange with the engine takes too long: as a whole, or silent. A connection's exchanges share one.
final class ExchangeTimer {
    private let loop: any EventLoop
    private var limit = TimeAmount.zero
    private var deadline = NIODeadline.distantFuture
    /// Goes on from exchange to exchange, and is moved only if it would be late: to start and stop one for each would cost
    /// more than it is worth to most, which are over long before.
    private var timer: Scheduled<Void>?
    private var timerDeadline = NIODeadline.distantFuture
    private var idle: Scheduled<Void>?
    private var lastActivity = NIODeadline.now()
    private var isListening: (() -> Bool)?
    private var onTimeout: ((String) -> Void)?

    init(loop: any EventLoop) { self.loop = loop }

    /// Starts both clocks. `isListening` tells whether the engine is waited for: only then its silence counts.
    /// `onTimeout` is called at most once, with a text for the agent.
    func start(
        _ settings: ProxySettings, isListening: @escaping () -> Bool, onTimeout: @escaping (String) -> Void
    ) {
        self.isListening = isListening
        self.onTimeout = onTimeout
        lastActivity = .now()
        limit = settings.requestTimeout
        deadline = lastActivity + limit
        if deadline < timerDeadline { schedule() }
        if let limit = settings.idleTimeout { watchSilence(limit: limit, until: lastActivity + limit) }
    }

    /// The engine has sent something, or is waited for again.
    func touch(at now: NIODeadline) { lastActivity = now }

    /// The exchange is over.
    func cancel() {
        deadline = .distantFuture
        idle?.cancel()
        idle = nil
        isListening = nil
        onTimeout = nil
    }

    /// There will be no other.
    func stop() {
        cancel()
        timer?.cancel()
        timer = nil
        timerDeadline = .distantFuture
    }

    private func schedule() {
        timer?.cancel()
        timerDeadline = deadline
        timer = loop.assumeIsolated().scheduleTask(deadline: deadline) { [weak self] in self?.ring() }
    }

    private func ring() {
        timer = nil
        timerDeadline = .distantFuture
        if deadline <= .now() {
            expire("the engine did not finish its reply within \(limit.formatted) (--request-timeout)")
        } else if deadline < .distantFuture {
            schedule()
        }
    }

    private func watchSilence(limit: TimeAmount, until deadline: NIODeadline) {
        idle = loop.assumeIsolated().scheduleTask(deadline: deadline) { [weak self] in
            guard let self else { return }
            if isListening?() == false { lastActivity = .now() }
            let deadline = lastActivity + limit
            if deadline <= .now() {
                expire("the engine sent nothing for \(limit.formatted) (--idle-timeout)")
            } else {
                watchSilence(limit: limit, until: deadline)
            }
        }
    }

    private func expire(_ message: String) {
        let onTimeout = onTimeout
        cancel()
        onTimeout?(message)
    }
}

extension TimeAmount {
    /// `600 s`, `0.25 s`
    fileprivate var formatted: String {
        let milliseconds = nanoseconds / 1_000_000
        return milliseconds % 1000 == 0 ? "\(milliseconds / 1000) s" : "\(Double(milliseconds) / 1000) s"
    }
}
