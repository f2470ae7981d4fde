import NIOCore
import NIOHTTP1
import VerbatimPlatform

/// One agent's connection: takes its requests one after the other and writes the replies.
final class ServerConnection: ChannelInboundHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundOut = ByteBuffer

    /// A connection that is closed while the agent still sends is drained, so that the agent can read the reply before
    /// it is reset: until the agent has been silent for ``ProxySettings/lingerSilence``, or has gone on for this long.
    private static let lingerTime: TimeAmount = .seconds(30)

    private let loop: ProxyLoop
    /// With TLS who says farewell has left (RFC 9112 §9.8): there is no half of a connection to answer on.
    private let isTLS: Bool
    private var context: ChannelHandlerContext?
    private var exchange: (any Exchange)?
    /// Whether the current request, if there is one, has been read to its end.
    private var isRequestComplete = true
    private var mustClose = false
    /// Requests that arrived while one was being answered. Reading stops meanwhile, so that this is at most what one
    /// read brought.
    private var pipelined = CircularBuffer<HTTPServerRequestPart>(initialCapacity: 0)
    private var isDelivering = false
    /// Whether what was read last has completed at least a request's head.
    private var hasRequestArrived = false
    /// Whether what was read last has not, so that a head may have begun, also during a reply.
    private var isHeadBegun = false
    private var isInputClosed = false
    /// Whether what followed the current request is no request. What still arrives is dropped.
    private var isInputBroken = false
    /// Whether the last reply is on its way out; what still arrives is not looked at.
    private var isClosing = false
    private var isLingering = false
    /// When the agent last sent something while the connection was drained.
    private var lastArrival = NIODeadline.uptimeNanoseconds(0)
    private var isClosed = false
    private var admission = ConnectionLimit.Admission.admitted
    /// For the exchanges.
    let exchangeTimer: ExchangeTimer
    private lazy var timer = ConnectionTimer(
        clock: loop.clock, loop: loop.eventLoop, limits: loop.settings.connectionLimits
    ) { [weak self] wait in
        self?.timeOut(wait)
    }

    init(in loop: ProxyLoop) {
        self.loop = loop
        exchangeTimer = ExchangeTimer(clock: loop.clock, loop: loop.eventLoop)
        isTLS = loop.settings.agentTLS != nil
    }

    // MARK: For the exchange

    var isWritable: Bool { context?.channel.isWritable ?? false }

    // Writing may find the agent gone, and the exchange is told so at once. What is written is therefore passed by value:
    // the exchange is free to change meanwhile.

    /// Writes a part of the reply.
    func write(_ segments: ResponseWriter.Segments) {
        guard let context, !isClosed, !segments.isEmpty else { return }
        for segment in segments.front { context.write(wrapOutboundOut(segment), promise: nil) }
        if segments.last.readableBytes > 0 { context.write(wrapOutboundOut(segments.last), promise: nil) }
        context.flush()
        loop.spareBuffer.giveBack(segments.last)
    }

    /// Ends the reply with its last bytes; `closes` if the connection cannot serve another request.
    func finish(_ segments: ResponseWriter.Segments, closes: Bool) {
        mustClose = mustClose || closes || loop.isDraining
        guard let context, !isClosed else { return }
        if !mustClose && isRequestComplete {
            write(segments)
            startNextRequest()
            return
        }
        exchange = nil
        isClosing = true
        timer.start(.lastResponse)
        let written = context.eventLoop.makePromise(of: Void.self)
        for segment in segments.front { context.write(wrapOutboundOut(segment), promise: nil) }
        context.writeAndFlush(wrapOutboundOut(segments.last), promise: written)
        written.futureResult.assumeIsolated().whenComplete { _ in self.closeGracefully() }
    }

    /// Cuts the connection. `resets` makes an agent notice that could otherwise take the end for a regular one.
    func abort(resets: Bool) {
        guard let context, !isClosed else { return }
        exchange = nil
        isClosed = true
        if resets, let options = context.channel as? any SocketOptionProvider {
            options.setSoLinger(linger(l_onoff: 1, l_linger: 0)).assumeIsolated().whenComplete { _ in
                TLSHandshakeHandler.closeNow(context.channel)
            }
        } else {
            context.close(promise: nil)
        }
    }

    /// Reads more of the request's body, if the exchange wants it.
    func readMore() {
        guard let context, !isClosed else { return }
        if isLingering || (!isClosing && (exchange == nil || (!isRequestComplete && exchange?.wantsBody ?? true))) {
            context.read()
        } else if isRequestComplete && pipelined.isEmpty && !isClosing && (isTLS || !isInputBroken) {
            // With TLS the agent's farewell is a message that must be read to be noticed; without, it costs system calls
            // to stop for the time of each reply. At most one read of further requests waits for its turn.
            context.read()
        }
    }

    // MARK: For the server

    /// Ends an idle connection; a busy one is ended behind its reply.
    func drain() {
        mustClose = true
        exchange?.willClose()
        if exchange == nil && !isClosing { closeBehindReplies() }
    }

    func cutOff() {
        if let exchange { exchange.cutOff() } else { abort(resets: false) }
    }

    /// The last resort when the server stops: TLS's farewell is not waited for either.
    func closeNow() {
        guard let context else { return }
        exchange = nil
        isClosed = true
        TLSHandshakeHandler.closeNow(context.channel)
    }

    // MARK: Requests

    private func deliver(_ part: HTTPServerRequestPart) {
        switch part {
        case .head(let head):
            isRequestComplete = false
            let exchange = loop.exchange(for: head, on: self)
            self.exchange = exchange
            if mustClose || loop.isDraining { exchange.willClose() }
            exchange.start()
        case .body(let body): exchange?.receive(body: body)
        case .end:
            isRequestComplete = true
            exchange?.receiveEnd()
        }
    }

    private func startNextRequest() {
        exchange = nil
        timer.start(.nextRequest)
        // Requests that are answered at once come back here; the loop keeps the stack flat.
        guard !isDelivering else { return }
        deliverPipelined()
    }

    /// Has the timer wait for what the agent owes now.
    private func watchAgent(isHeadBegun: Bool) {
        if isClosing || isClosed { return }
        if let exchange {
            timer.start(!isRequestComplete && exchange.limitsBodyTime ? .body : .nothing)
        } else if isRequestComplete && isHeadBegun {
            timer.start(.head)
        }
    }

    private func timeOut(_ wait: ConnectionTimer.Wait) {
        switch wait {
        case .head: refuse(.requestTimeout("the request's head did not come within the time for it (--head-timeout)"))
        case .body: refuse(.requestTimeout("the request's body did not come within the time for it (--body-timeout)"))
        case .nextRequest: closeBehindReplies()
        case .firstByte, .lastResponse, .errorResponse: abort(resets: false)
        case .nothing: break
        }
    }

    private func deliverPipelined() {
        isDelivering = true
        while !isClosed, !mustClose, exchange == nil || !isRequestComplete, let part = pipelined.popFirst() {
            deliver(part)
        }
        isDelivering = false
        exchange?.agentDidPause()
        watchAgent(isHeadBegun: isHeadBegun)
        if exchange == nil && isInputClosed && !isClosed && !isClosing {
            closeBehindReplies()
        } else {
            readMore()
        }
    }

    /// Closes the connection once the replies that were written are on their way.
    private func closeBehindReplies() {
        guard let context, !isClosed else { return }
        isClosing = true
        timer.start(.lastResponse)
        let written = context.eventLoop.makePromise(of: Void.self)
        context.writeAndFlush(wrapOutboundOut(ByteBuffer()), promise: written)
        written.futureResult.assumeIsolated().whenComplete { _ in self.closeGracefully() }
    }

    private func closeGracefully() {
        guard let context, !isClosed else { return }
        if isInputClosed || admission == .cutOff || (isRequestComplete && pipelined.isEmpty && !isInputBroken) {
            isClosed = true
            context.close(promise: nil)
            return
        }
        isLingering = true
        context.close(mode: .output, promise: nil)
        context.read()
        lastArrival = loop.clock.now
        drainInput(until: lastArrival + Self.lingerTime)
    }

    private func drainInput(until end: NIODeadline) {
        let silence = loop.settings.lingerSilence
        let deadline = min(lastArrival + silence, end)
        loop.clock.schedule(at: deadline, on: loop.eventLoop) { [weak self] in
            guard let self, !isClosed else { return }
            if loop.clock.now < min(lastArrival + silence, end) { return drainInput(until: end) }
            isClosed = true
            context?.close(promise: nil)
        }
    }

    // MARK: Channel

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        admission = loop.add(self)
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        self.context = nil
        timer.stop()
        exchangeTimer.stop()
        loop.remove(self, admittedAs: admission)
    }

    func channelActive(context: ChannelHandlerContext) {
        context.fireChannelActive()
        if admission != .admitted { return turnAway(context) }
        timer.start(.firstByte)
        context.read()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        if isClosing || isClosed { return }
        hasRequestArrived = true
        isHeadBegun = false
        let part = unwrapInboundIn(data)
        if !pipelined.isEmpty || isDelivering || (exchange != nil && isRequestComplete) {
            pipelined.append(part)
        } else {
            deliver(part)
        }
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        context.fireChannelReadComplete()
        if isLingering { lastArrival = loop.clock.now }
        isHeadBegun = !hasRequestArrived
        exchange?.agentDidPause()
        watchAgent(isHeadBegun: isHeadBegun)
        hasRequestArrived = false
        readMore()
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        exchange?.agentWritabilityChanged()
        context.fireChannelWritabilityChanged()
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if case ChannelEvent.inputClosed = event {
            isInputClosed = true
            if isLingering {
                abort(resets: false)
            } else if exchange == nil && !isClosing {
                closeBehindReplies()
            } else if isClosing {
                // The reply is still on its way out; the connection is closed behind it.
            } else if isRequestComplete && !isTLS {
                exchange?.agentDidHalfClose()
            } else {
                loseAgent()
            }
        }
        context.fireUserInboundEventTriggered(event)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        // Said of all that follows what was no request.
        if case ByteToMessageDecoderError.dataReceivedInErrorState = error { return }
        guard !isClosed, let reply = answer(to: error) else { return loseAgent() }
        if isClosing { return }
        if exchange != nil && isRequestComplete {
            // What follows the request is no request; the reply is still owed.
            mustClose = true
            isInputBroken = true
            exchange?.willClose()
            return
        }
        refuse(reply)
    }

    /// Tells an agent that it is one too many. With TLS that needs a handshake, for which only a few are waited for.
    private func turnAway(_ context: ChannelHandlerContext) {
        if isTLS && admission == .cutOff {
            isClosed = true
            return TLSHandshakeHandler.closeNow(context.channel)
        }
        refuse(.tooManyConnections)
        if isTLS { context.read() }
    }

    /// What is said to what cannot be read; `nil` if the connection has failed.
    private func answer(to error: any Error) -> ErrorReply? {
        switch error {
        case HTTPParserError.headerOverflow, is ByteToMessageDecoderError.PayloadTooLargeError:
            .headTooLarge(limit: loop.settings.maximumHeaderSize, count: loop.settings.maximumHeaderCount)
        case is HTTPParserError: .badRequest("the request is not valid HTTP/1.1 (\(error))")
        default: nil
        }
    }

    /// Answers what cannot be read as a request, or not to its end.
    private func refuse(_ reply: ErrorReply) {
        mustClose = true
        // Whatever still arrives is read and dropped, so that the agent can read the answer.
        isRequestComplete = false
        if let exchange { return exchange.requestDidBreak(reply) }
        var output = ResponseWriter(request: ResponseWriter.Request(keepsAlive: false))
        output.reply(with: reply)
        finish(output.take(), closes: true)
        timer.start(.errorResponse)
    }

    func channelInactive(context: ChannelHandlerContext) {
        isClosed = true
        loseAgent()
        context.fireChannelInactive()
    }

    private func loseAgent() {
        let lost = exchange
        exchange = nil
        lost?.agentDidClose()
        abort(resets: false)
    }
}
