import Logging
import NIOCore

/// Pauses and logs when connections cannot be accepted, most likely because there are no more file descriptors.
///
/// NIO's `AcceptBackoffHandler` delays the next read, but after an error the last read is still pending: the event loop
/// would try again at once and do nothing else.
final class AcceptFailures: ChannelInboundHandler {
    typealias InboundIn = any Channel

    /// How long the listener waits before it tries again.
    private static let backoff = TimeAmount.milliseconds(250)

    private let clock: HTTPClock
    private let warning: RateLimitedLog

    init(clock: HTTPClock, logger: Logger) {
        self.clock = clock
        warning = RateLimitedLog(clock: clock, logger: logger)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        warning.log(
            "cannot accept connections; raise the limit of open files (ulimit -n, LimitNOFILE=)",
            metadata: ["reason": "\(NetworkErrorText.describe(error))"])
        let channel = context.channel
        try? channel.syncOptions?.setOption(.autoRead, value: false)
        clock.schedule(in: Self.backoff, on: context.eventLoop) {
            try? channel.syncOptions?.setOption(.autoRead, value: true)
        }
    }
}
