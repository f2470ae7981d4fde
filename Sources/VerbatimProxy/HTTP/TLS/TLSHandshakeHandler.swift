import VerbatimJSON
import NIOCore
import NIOSSL
import NIOTLS

/// Watches an agent's TLS handshake: one that stalls does not keep its connection, and who speaks plain HTTP is told so.
final class TLSHandshakeHandler: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = ByteBuffer

    /// TLS, and this behind it. What stands behind both hears of the connection as it would without them.
    static func addHandlers(to channel: any Channel, tls: NIOSSLContext, clock: HTTPClock, limit: TimeAmount) throws {
        try channel.pipeline.syncOperations.addHandlers([
            NIOSSLServerHandler(context: tls), TLSHandshakeHandler(clock: clock, limit: limit),
        ])
    }

    private let clock: HTTPClock
    private let limit: TimeAmount
    private var timeout: HTTPClock.Timer?

    init(clock: HTTPClock, limit: TimeAmount) {
        self.clock = clock
        self.limit = limit
    }

    func handlerAdded(context: ChannelHandlerContext) {
        let channel = context.channel
        timeout = clock.schedule(in: limit, on: context.eventLoop) { Self.closeNow(channel) }
    }

    func handlerRemoved(context: ChannelHandlerContext) { timeout?.cancel() }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if case TLSUserEvent.handshakeCompleted = event {
            context.fireUserInboundEventTriggered(event)
            context.pipeline.syncOperations.removeHandler(self, promise: nil)
        } else {
            context.fireUserInboundEventTriggered(event)
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        if case NIOSSLError.handshakeFailed(let reason) = error, "\(reason)".contains(text: "HTTP_REQUEST") {
            var output = ResponseWriter(request: ResponseWriter.Request(keepsAlive: false))
            output.reply(with: .badRequest("this port speaks HTTPS: the base URL must begin with https://"))
            let plain = try? context.pipeline.syncOperations.context(handlerType: NIOSSLServerHandler.self)
            plain?.writeAndFlush(NIOAny(output.take().last), promise: nil)
        }
        context.fireErrorCaught(error)
    }

    /// Without TLS's farewell, for which the other side would be waited for.
    static func closeNow(_ channel: any Channel) {
        let tls = try? channel.pipeline.syncOperations.context(handlerType: NIOSSLServerHandler.self)
        if let tls { tls.close(promise: nil) } else { channel.close(promise: nil) }
    }
}

extension SocketAddress {
    /// Whether only this machine can reach it.
    var isLoopback: Bool {
        guard let address = ipAddress?.lowercased() else { return true }
        return address.hasPrefix("127.") || address == "::1" || address.hasPrefix("::ffff:127.")
    }
}
