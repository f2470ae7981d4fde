package import NIOCore
package import NIOHTTP1
import NIOSSL
import NIOTLS

/// Receives what happens to a request at the upstream. All calls come on the exchange's event loop.
package protocol UpstreamDelegate: AnyObject {
    func upstreamDidSend(head: HTTPResponseHead, reason: String)
    func upstreamDidSend(body: ByteBuffer)
    func upstreamDidEnd()
    /// The connection is gone, before or in the middle of the response. No further calls follow.
    func upstreamDidFail(_ failure: UpstreamFailure)
    /// Everything that arrived in one read has been delivered.
    func upstreamDidPause()
    /// The upstream takes more of the request's body, or has stopped taking it.
    func upstreamWritabilityChanged()
    /// Whether more of the response can be taken.
    var takesMore: Bool { get }
}

/// One connection to the upstream, used for one exchange at a time.
package final class UpstreamConnection: ChannelDuplexHandler {
    package typealias InboundIn = HTTPClientResponsePart
    package typealias OutboundIn = HTTPClientRequestPart
    package typealias OutboundOut = HTTPClientRequestPart

    private enum State {
        case idle
        /// A request was sent, and its response has not ended.
        case active
        case closed
    }

    private let reader: UpstreamResponseReader
    private let writer: UpstreamRequestWriter
    private let handshake: EventLoopPromise<Void>?
    private var context: ChannelHandlerContext?
    private var state = State.idle
    /// Set while an exchange uses the connection.
    private var delegate: (any UpstreamDelegate)?
    private var error: (any Error)?
    private var keepsAlive = false
    private var hasSentRequest = false
    private var isReading = false
    private var exchanges = 0
    /// Whether any part of the current response has arrived.
    private var hasHeard = false
    private var isChunked = false
    private var contentLength: Int?
    /// The current response has no body, whatever its head says. A faulty upstream may send one all the same.
    private var isBodiless = false

    /// Called once if the upstream closes the connection while it is idle.
    var onIdleClose: ((UpstreamConnection) -> Void)?
    /// When to close the connection if it is still idle.
    var idleDeadline = NIODeadline.distantFuture
    /// How long the upstream keeps unused connections, from its `Keep-Alive` header.
    private(set) var advertisedKeepAlive: TimeAmount?

    /// - Parameter handshake: Completed when the TLS handshake ends; `nil` without TLS.
    init(reader: UpstreamResponseReader, writer: UpstreamRequestWriter, handshake: EventLoopPromise<Void>?) {
        self.reader = reader
        self.writer = writer
        self.handshake = handshake
    }

    var isIdle: Bool { state == .idle }
    var isUsable: Bool { state == .idle && (context?.channel.isActive ?? false) }
    package var isWritable: Bool { context?.channel.isWritable ?? false }

    // MARK: Requests

    /// Sends the head of a request.
    package func start(_ head: HTTPRequestHead, for delegate: any UpstreamDelegate) {
        state = .active
        self.delegate = delegate
        keepsAlive = false
        hasSentRequest = false
        hasHeard = false
        isChunked = false
        isBodiless = head.method == .HEAD
        exchanges += 1
        reader.expectReply()
        context?.write(wrapOutboundOut(.head(head)), promise: nil)
    }

    package func send(body: ByteBuffer) { writer.send(body) }

    /// Ends the request and starts to read the response.
    package func endRequest() {
        hasSentRequest = true
        writer.end()
        context?.flush()
        readMore()
    }

    package func flush() {
        context?.flush()
        // The upstream may respond before it has read everything.
        readMore()
    }

    /// Reads more of the response if the exchange can take it.
    package func readMore() {
        guard state == .active, !isReading, delegate?.takesMore ?? false else { return }
        isReading = true
        context?.read()
    }

    /// Closes the connection without a further call to the delegate.
    package func close() {
        guard state != .closed else { return }
        delegate = nil
        state = .closed
        context?.close(promise: nil)
    }

    // MARK: Channel

    package func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        reader.connection = self
    }

    package func handlerRemoved(context: ChannelHandlerContext) {
        self.context = nil
        reader.connection = nil
    }

    package func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        // After an error, ignore input: the parser takes a broken connection's end for the regular end of a response
        // without a length. The failure is reported to the delegate when the channel closes.
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
            contentLength = ResponseRules.contentLength(of: head)
            if head.status == .noContent || head.status == .notModified { isBodiless = true }
            isChunked =
                reader.mayHaveChunks && head.version == .http1_1 && ResponseFraming(of: head) == .chunked
            advertisedKeepAlive = Self.keepAlive(of: head)
            delegate.upstreamDidSend(head: head, reason: reader.reasonPhrase ?? head.status.reasonPhrase)
        case .body(let body):
            isChunked = false
            delegate.upstreamDidSend(body: body)
        case .end:
            let isReusable =
                keepsAlive && hasSentRequest && !isBodiless && reader.endsExactly(contentLength: contentLength)
            self.delegate = nil
            state = isReusable ? .idle : .closed
            if !isReusable { context.close(promise: nil) }
            delegate.upstreamDidEnd()
            delegate.upstreamDidPause()
            watchIdle(context)
        }
    }

    /// Whether the head of a chunked response has arrived, and nothing after it.
    var expectsChunks: Bool { state == .active && isChunked && error == nil }

    /// Takes a part of a chunk that bypassed the parser.
    func receive(body: ByteBuffer) {
        guard state == .active, error == nil else { return }
        delegate?.upstreamDidSend(body: body)
    }

    /// Reads while the connection is unused. Bytes that arrive then belong to no request and must not be taken for the
    /// response to the next one: the reader closes the connection.
    private func watchIdle(_ context: ChannelHandlerContext) {
        guard state == .idle, !isReading else { return }
        isReading = true
        context.read()
    }

    package func channelReadComplete(context: ChannelHandlerContext) {
        isReading = false
        delegate?.upstreamDidPause()
        readMore()
        watchIdle(context)
    }

    package func channelWritabilityChanged(context: ChannelHandlerContext) {
        delegate?.upstreamWritabilityChanged()
        context.fireChannelWritabilityChanged()
    }

    package func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if case TLSUserEvent.handshakeCompleted = event { handshake?.succeed() }
        context.fireUserInboundEventTriggered(event)
    }

    package func errorCaught(context: ChannelHandlerContext, error: any Error) {
        // Without TLS's close_notify a response that ends with its connection may be cut off (RFC 9112 §9.8).
        if self.error == nil {
            self.error = CertificateProblem(error, on: context) ?? error
        }
        context.close(promise: nil)
    }

    package func channelInactive(context: ChannelHandlerContext) {
        handshake?.fail(error ?? ChannelError.eof)
        let wasIdle = state == .idle
        state = .closed
        if let delegate {
            self.delegate = nil
            delegate.upstreamDidFail(.disconnected(error, isStale: exchanges > 1 && !hasHeard))
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
