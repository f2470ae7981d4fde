import NIOCore
import NIOHTTP1
import NIOSSL
import NIOTLS

/// What an exchange hears from the engine. All calls come on the exchange's event loop.
protocol UpstreamDelegate: AnyObject {
    func engineDidSend(head: HTTPResponseHead, reason: String)
    func engineDidSend(body: ByteBuffer)
    func engineDidEnd()
    /// The connection is gone, before or in the middle of the reply. Nothing else follows.
    func engineDidFail(_ failure: UpstreamFailure)
    /// All that has arrived in one go has been told.
    func engineDidPause()
    /// The engine takes more of the request's body, or has stopped to.
    func engineWritabilityChanged()
    /// Whether more of the reply can be taken.
    var takesMore: Bool { get }
}

/// One connection to the engine, used for one exchange at a time.
final class UpstreamConnection: ChannelDuplexHandler {
    typealias InboundIn = HTTPClientResponsePart
    typealias OutboundIn = HTTPClientRequestPart
    typealias OutboundOut = HTTPClientRequestPart

    private enum State {
        case idle
        /// A request is under way, and the end of its reply still to come.
        case active
        case closed
    }

    private let reader: ReplyReader
    private let writer: RequestWriter
    private let handshake: EventLoopPromise<Void>?
    private var context: ChannelHandlerContext?
    private var state = State.idle
    /// Kept until its exchange ends, in one way or another.
    private var delegate: (any UpstreamDelegate)?
    private var error: (any Error)?
    private var keepsAlive = false
    private var hasSentRequest = false
    private var isReading = false
    private var exchanges = 0
    /// Whether anything of the current reply has come.
    private var hasHeard = false
    private var isChunked = false

    /// Called once when an idle connection ends by itself.
    var onIdleClose: ((UpstreamConnection) -> Void)?
    /// When an idle connection is to be closed.
    var idleDeadline = NIODeadline.distantFuture
    /// Seconds the engine says it keeps unused connections, from its `Keep-Alive` header.
    private(set) var advertisedKeepAlive: TimeAmount?

    /// - Parameter handshake: To be completed when TLS is up; `nil` without TLS.
    init(reader: ReplyReader, writer: RequestWriter, handshake: EventLoopPromise<Void>?) {
        self.reader = reader
        self.writer = writer
        self.handshake = handshake
    }

    var isUsable: Bool { state == .idle && (context?.channel.isActive ?? false) }
    var isWritable: Bool { context?.channel.isWritable ?? false }

    // MARK: Requests

    /// Starts an exchange.
    func start(_ head: HTTPRequestHead, for delegate: any UpstreamDelegate) {
        state = .active
        self.delegate = delegate
        keepsAlive = false
        hasSentRequest = false
        hasHeard = false
        isChunked = false
        exchanges += 1
        reader.expectReply()
        context?.write(wrapOutboundOut(.head(head)), promise: nil)
    }

    func send(body: ByteBuffer) { writer.send(body) }

    /// Ends the request and starts to read the reply.
    func endRequest() {
        hasSentRequest = true
        writer.end()
        context?.flush()
        readMore()
    }

    func flush() {
        context?.flush()
        // The engine may answer before it has read everything.
        readMore()
    }

    /// Asks for more of the reply, if the exchange can take it.
    func readMore() {
        guard state == .active, !isReading, delegate?.takesMore ?? false else { return }
        isReading = true
        context?.read()
    }

    /// Cuts the connection; the delegate hears nothing more.
    func close() {
        guard state != .closed else { return }
        delegate = nil
        state = .closed
        context?.close(promise: nil)
    }

    // MARK: Channel

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        reader.connection = self
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        self.context = nil
        reader.connection = nil
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        // After an error nothing counts. A connection that broke, too, ends a reply only for the parser, which takes any
        // end for the regular one of a reply without a length; the delegate hears of it when the channel is closed.
        guard state == .active, let delegate, error == nil else { return }
        hasHeard = true
        switch unwrapInboundIn(data) {
        case .head(let head):
            if let fault = ResponseRules.fault(of: head) {
                error = fault
                context.close(promise: nil)
                return
            }
            keepsAlive = head.isKeepAlive
            isChunked =
                reader.mayHaveChunks && head.version == .http1_1 && ResponseWriter.Framing(of: head) == .chunked
            advertisedKeepAlive = Self.keepAlive(of: head)
            delegate.engineDidSend(head: head, reason: reader.reasonPhrase ?? head.status.reasonPhrase)
        case .body(let body):
            isChunked = false
            delegate.engineDidSend(body: body)
        case .end:
            let isReusable = keepsAlive && hasSentRequest
            self.delegate = nil
            state = isReusable ? .idle : .closed
            if !isReusable { context.close(promise: nil) }
            delegate.engineDidEnd()
            delegate.engineDidPause()
            watchIdle(context)
        }
    }

    /// Whether the head of a chunked reply has come, and nothing behind it.
    var expectsChunks: Bool { state == .active && isChunked && error == nil }

    /// A part of a chunk that went past the parser.
    func receive(body: ByteBuffer) {
        guard state == .active, error == nil else { return }
        delegate?.engineDidSend(body: body)
    }

    /// Reads on while the connection is unused: what the engine says unasked is the reply to nothing, must not be taken
    /// for that to the next request, and ends the connection, as the parser sees to.
    private func watchIdle(_ context: ChannelHandlerContext) {
        guard state == .idle, !isReading else { return }
        isReading = true
        context.read()
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        isReading = false
        delegate?.engineDidPause()
        readMore()
        watchIdle(context)
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        delegate?.engineWritabilityChanged()
        context.fireChannelWritabilityChanged()
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if case TLSUserEvent.handshakeCompleted = event { handshake?.succeed() }
        context.fireUserInboundEventTriggered(event)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        // A peer that skips TLS's farewell has ended the connection all the same.
        if case NIOSSLError.uncleanShutdown = error {
        } else if self.error == nil {
            self.error = CertificateProblem(error, on: context) ?? error
        }
        context.close(promise: nil)
    }

    func channelInactive(context: ChannelHandlerContext) {
        handshake?.fail(error ?? ChannelError.eof)
        let wasIdle = state == .idle
        state = .closed
        if let delegate {
            self.delegate = nil
            delegate.engineDidFail(.disconnected(error, isStale: exchanges > 1 && !hasHeard))
        } else if wasIdle {
            onIdleClose?(self)
        }
        context.fireChannelInactive()
    }

    /// `Keep-Alive: timeout=5, max=100`
    private static func keepAlive(of head: HTTPResponseHead) -> TimeAmount? {
        for parameter in head.headers[canonicalForm: "keep-alive"] where parameter.hasPrefix("timeout=") {
            if let seconds = Int64(parameter.dropFirst("timeout=".count)) {
                return .seconds(max(0, min(seconds, 3600)))
            }
        }
        return nil
    }
}
