package import NIOCore
package import NIOHTTP1
import NIOTLS
import VerbatimPlatform

/// The channel handler of a client's connection: performs what ``ServerConnectionState`` decides.
package final class ServerConnection: ChannelInboundHandler {
    package typealias InboundIn = HTTPServerRequestPart
    package typealias OutboundOut = ByteBuffer

    private let listener: ListenerLoop
    private var context: ChannelHandlerContext?
    private var state: ServerConnectionState
    private var exchange: (any Exchange)?
    private var admission = ConnectionLimit.Decision.admitted
    /// For the exchanges, one after the other.
    package let exchangeTimer: ExchangeTimer
    private lazy var timer = ConnectionTimer(
        clock: clock, loop: listener.server.eventLoop, limits: listener.limits.timeouts
    ) { [weak self] wait in
        self?.timeOut(wait)
    }

    init(_ listener: ListenerLoop) {
        self.listener = listener
        state = ServerConnectionState(isTLS: listener.isTLS, drainSilence: listener.limits.drainSilence)
        exchangeTimer = ExchangeTimer(clock: listener.server.clock, loop: listener.server.eventLoop)
    }

    private var clock: HTTPClock { listener.server.clock }

    // MARK: For the exchange

    package var isWritable: Bool { context?.channel.isWritable ?? false }

    // A write can reveal that the client is gone, which the exchange learns at once. Segments are passed by value,
    // because the exchange may change during the write.

    /// Writes a part of the response.
    package func write(_ segments: ResponseWriter.Segments) {
        guard let context, !state.isClosed, !segments.isEmpty else { return }
        put(segments, in: context)
        context.flush()
        listener.server.spareBuffer.giveBack(segments.last)
    }

    /// Ends the response with its last bytes.
    ///
    /// - Parameter closes: Whether the connection cannot serve another request.
    package func finish(_ segments: ResponseWriter.Segments, closes: Bool) {
        switch state.responseFinished(closes: closes) {
        case .nothing: break
        case .serveNext:
            write(segments)
            exchange = nil
            timer.start(.nextRequest)
            deliverQueued()
        case .close(let actions):
            if let context { put(segments, in: context) }
            perform(actions)
        }
    }

    /// Cuts the connection.
    ///
    /// - Parameter resets: Whether the client could otherwise mistake the end for a regular one.
    package func abort(resets: Bool) { perform(state.aborted(resets: resets)) }

    /// Reads more of the request's body if the exchange wants it.
    package func readMore() { perform(ServerConnectionState.Actions(state.readMore())) }

    private func put(_ segments: ResponseWriter.Segments, in context: ChannelHandlerContext) {
        for segment in segments.front { context.write(wrapOutboundOut(segment), promise: nil) }
        if segments.last.readableBytes > 0 { context.write(wrapOutboundOut(segments.last), promise: nil) }
    }

    // MARK: For the server

    func drain() { perform(state.drain()) }

    func cutOff() { perform(state.cutOff()) }

    func closeNow() { perform(state.closeNow()) }

    // MARK: Requests

    private func deliver(_ part: HTTPServerRequestPart) {
        switch part {
        case .head(let head):
            let exchange = makeExchange(for: head)
            self.exchange = exchange
            if state.closesAfterResponse { exchange.willClose() }
            exchange.start()
        case .body(let body): exchange?.receive(body: body)
        case .end: exchange?.receiveEnd()
        }
    }

    private func makeExchange(for received: HTTPRequestHead) -> any Exchange {
        var head = received
        head.headers.dropTrailingSpace()
        guard let refusal = RequestRules.refusal(of: head) else {
            return listener.handler.exchange(for: head, on: self)
        }
        let request = ResponseWriter.Request(head, errorFormat: listener.handler.errorFormat(for: head))
        return ImmediateExchange(on: self, request: request, error: refusal, answersAtOnce: true)
    }

    private func deliverQueued() {
        guard state.startDelivery() else { return }
        while let part = state.nextPart() { deliver(part) }
        perform(state.deliveryEnded())
        perform(state.inputPaused())
    }

    private func timeOut(_ wait: ConnectionTimer.Wait) {
        let error: ErrorResponse =
            wait == .body
            ? .requestTimeout("the request's body did not arrive in time (--body-timeout)")
            : .requestTimeout("the request's head did not arrive in time (--head-timeout)")
        perform(state.timerFired(wait), error: error)
    }

    // MARK: Actions

    /// - Parameter error: For ``ServerConnectionState/Action/respondWithError``.
    private func perform(_ actions: ServerConnectionState.Actions, error: ErrorResponse? = nil) {
        actions.forEach { perform($0, error: error) }
    }

    private func perform(_ action: ServerConnectionState.Action, error: ErrorResponse?) {
        switch action {
        case .pauseExchangeInput: exchange?.inputDidPause()
        case .announceClose: exchange?.willClose()
        case .reportHalfClose: exchange?.clientDidHalfClose()
        case .reportClientClosed:
            let lost = exchange
            exchange = nil
            lost?.clientDidClose()
        case .cutOffExchange: exchange?.cutOff()
        case .respondWithError: if let error { respond(with: error) }
        case .flushLastResponse: flushLastResponse()
        case .startTimer(let wait): timer.start(wait)
        case .startBodyTimer: timer.start(exchange?.limitsBodyTime ?? false ? .body : .nothing)
        case .scheduleDrainCheck(let deadline):
            clock.schedule(at: deadline, on: listener.server.eventLoop) { [weak self] in
                guard let self else { return }
                perform(state.drainDeadlineReached(at: clock.now))
            }
        case .read: context?.read()
        case .readBody: if exchange?.wantsBody ?? false { context?.read() }
        case .closeOutput: context?.close(mode: .output, promise: nil)
        case .close:
            exchange = nil
            context?.close(promise: nil)
        case .reset:
            exchange = nil
            reset()
        case .closeNow:
            exchange = nil
            if let context { TLSHandshakeHandler.closeNow(context.channel) }
        }
    }

    private func respond(with error: ErrorResponse) {
        if let exchange { return exchange.requestDidBreak(error) }
        let request = ResponseWriter.Request(keepsAlive: false, errorFormat: listener.errorFormat)
        var writer = ResponseWriter(request: request)
        writer.respond(with: error)
        if let context { put(writer.take(), in: context) }
    }

    private func flushLastResponse() {
        exchange = nil
        guard let context else { return }
        let written = context.eventLoop.makePromise(of: Void.self)
        context.writeAndFlush(wrapOutboundOut(ByteBuffer()), promise: written)
        written.futureResult.assumeIsolated().whenComplete { _ in
            self.perform(self.state.lastResponseWritten(at: self.clock.now))
        }
    }

    private func reset() {
        guard let context else { return }
        guard let options = context.channel as? any SocketOptionProvider else { return context.close(promise: nil) }
        options.setSoLinger(linger(l_onoff: 1, l_linger: 0)).assumeIsolated().whenComplete { _ in
            TLSHandshakeHandler.closeNow(context.channel)
        }
    }

    // MARK: Channel

    package func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        admission = listener.connectionLimit.enter()
        listener.server.add(self)
    }

    package func handlerRemoved(context: ChannelHandlerContext) {
        self.context = nil
        timer.stop()
        exchangeTimer.stop()
        listener.connectionLimit.leave(admission)
        listener.server.remove(self)
    }

    package func channelActive(context: ChannelHandlerContext) {
        context.fireChannelActive()
        perform(state.connected(admission), error: .tooManyConnections)
    }

    package func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        if let part = state.received(unwrapInboundIn(data)) { deliver(part) }
    }

    package func channelReadComplete(context: ChannelHandlerContext) {
        context.fireChannelReadComplete()
        perform(state.readCompleted(at: clock.now))
        perform(state.inputPaused())
    }

    package func channelWritabilityChanged(context: ChannelHandlerContext) {
        let isWritable = context.channel.isWritable
        state.writabilityChanged(to: isWritable)
        if let exchange {
            exchange.clientWritabilityChanged()
        } else if isWritable && state.isIdle {
            deliverQueued()
        }
        context.fireChannelWritabilityChanged()
    }

    package func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if case ChannelEvent.inputClosed = event { perform(state.inputClosed()) }
        if case TLSUserEvent.handshakeCompleted = event { state.handshakeCompleted() }
        context.fireUserInboundEventTriggered(event)
    }

    package func errorCaught(context: ChannelHandlerContext, error: any Error) {
        // The decoder repeats this for everything that follows its first error.
        if case ByteToMessageDecoderError.dataReceivedInErrorState = error { return }
        if let response = response(to: error) {
            perform(state.requestFailed(), error: response)
        } else {
            perform(state.connectionFailed())
        }
    }

    /// Returns the response to bytes that cannot be read; `nil` if the connection itself has failed.
    private func response(to error: any Error) -> ErrorResponse? {
        switch error {
        case HTTPParserError.headerOverflow, is ByteToMessageDecoderError.PayloadTooLargeError:
            .headTooLarge(limit: listener.limits.headerSize, count: listener.limits.headerCount)
        case is HTTPParserError: .badRequest("the request is not valid HTTP/1.1 (\(error))")
        default: nil
        }
    }

    package func channelInactive(context: ChannelHandlerContext) {
        perform(state.channelClosed())
        context.fireChannelInactive()
    }
}
