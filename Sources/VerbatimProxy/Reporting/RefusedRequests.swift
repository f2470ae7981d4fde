import Logging
import NIOHTTP1
import Synchronization
import VerbatimHTTP

/// Logs requests that are refused before they could become turns: at intervals, since one agent may send many.
final class RefusedRequests: Sendable {
    private let logger: Logger
    private let clock: HTTPClock
    /// One for each code, so that none hides another.
    private let logs = Mutex<[String: RateLimitedLog]>([:])

    init(logger: Logger, clock: HTTPClock) {
        self.logger = logger
        self.clock = clock
    }

    func note(_ error: ErrorResponse) {
        let log = logs.withLock { logs in
            if let log = logs[error.code] { return log }
            let log = RateLimitedLog(clock: clock, logger: logger)
            logs[error.code] = log
            return log
        }
        log.log(
            "refused a request",
            metadata: ["status": "\(error.status.code)", "code": "\(error.code)", "reason": "\(error.message)"])
    }
}
