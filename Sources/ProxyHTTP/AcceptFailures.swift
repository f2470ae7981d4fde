import Logging
import NIOCore

/// Says why connections cannot be accepted: most likely there are no more file descriptors.
///
/// It stands behind NIO's `AcceptBackoffHandler`, which tries again a little later.
final class AcceptFailures: ChannelInboundHandler {
    typealias InboundIn = any Channel

    /// How long the listener waits until it tries again.
    static let backoff = TimeAmount.milliseconds(250)

    private let warning: RareWarning

    init(logger: Logger) { warning = RareWarning(logger: logger) }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        warning.log(
            "cannot accept connections; raise the limit of open files (ulimit -n, LimitNOFILE=)",
            metadata: ["reason": "\(EngineFailure.describe(error))"])
    }
}
