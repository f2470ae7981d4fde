import NIOCore
import NIOSSL
import NIOTLS
import VerbatimPlatform

/// Watches the TLS handshake of a client: ends one that stalls, and sends a 400 to a client that uses plain HTTP.
final class TLSHandshakeHandler: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = ByteBuffer

    /// Adds the TLS handler and this one; later handlers see the usual channel events.
    static func addHandlers(
        to channel: any Channel, tls: NIOSSLContext, clock: HTTPClock, limit: TimeAmount, errorFormat: ErrorFormat
    ) throws {
        try channel.pipeline.syncOperations.addHandlers([
            NIOSSLServerHandler(context: tls),
            TLSHandshakeHandler(clock: clock, limit: limit, errorFormat: errorFormat),
        ])
    }

    private let clock: HTTPClock
    private let limit: TimeAmount
    private let errorFormat: ErrorFormat
    private var timeout: HTTPClock.Timer?

    init(clock: HTTPClock, limit: TimeAmount, errorFormat: ErrorFormat) {
        self.clock = clock
        self.limit = limit
        self.errorFormat = errorFormat
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
            var writer = ResponseWriter(request: ResponseWriter.Request(keepsAlive: false, errorFormat: errorFormat))
            writer.respond(with: .badRequest("this port requires HTTPS: the base URL must begin with https://"))
            let plain = try? context.pipeline.syncOperations.context(handlerType: NIOSSLServerHandler.self)
            plain?.writeAndFlush(NIOAny(writer.take().last), promise: nil)
        }
        context.fireErrorCaught(error)
    }

    /// Closes without TLS's close_notify, which would mean waiting for the client's.
    static func closeNow(_ channel: any Channel) {
        let tls = try? channel.pipeline.syncOperations.context(handlerType: NIOSSLServerHandler.self)
        if let tls { tls.close(promise: nil) } else { channel.close(promise: nil) }
    }
}
