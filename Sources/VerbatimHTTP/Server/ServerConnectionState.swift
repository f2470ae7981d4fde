package import NIOCore
package import NIOHTTP1

/// The state machine of a client's connection, without I/O: it takes events and returns the actions to perform.
///
/// Requests are served one after the other. While one is served, parts of the next are queued; reading pauses then, so
/// that the queue holds at most what one read brought. A connection that ends while the client still sends is drained
/// first: closing a socket with unread input resets it, and the client could lose the response.
package struct ServerConnectionState {
    /// What the caller has to do.
    package enum Action: Equatable, Sendable {
        /// Tell the exchange that all parts of one read were delivered.
        case pauseExchangeInput
        /// Tell the exchange that the connection closes after its response.
        case announceClose
        /// Tell the exchange that the client sends nothing more, but may still read.
        case reportHalfClose
        /// Let go of the exchange and tell it that the client is gone.
        case reportClientClosed
        /// Tell the exchange to end now.
        case cutOffExchange
        /// Let the exchange respond with the event's error; without an exchange, write that response.
        case respondWithError
        /// Let go of the exchange, flush, and report ``ServerConnectionState/lastResponseWritten(at:)`` once written.
        case flushLastResponse
        case startTimer(ConnectionTimer.Wait)
        /// Limit the time for the body if the exchange wants that; stop the timer if not.
        case startBodyTimer
        /// Report ``ServerConnectionState/drainDeadlineReached(at:)`` at that time.
        case scheduleDrainCheck(at: NIODeadline)
        case read
        /// Read if the exchange wants more of the body.
        case readBody
        /// Close the sending half.
        case closeOutput
        case close
        /// Close with a TCP reset.
        case reset
        /// Close without waiting for the client's TLS close_notify.
        case closeNow
    }

    /// The actions of one event, to be performed in order. Stored inline: most events of a request return some.
    package struct Actions: Equatable, Sendable {
        private var first: Action?
        private var second: Action?
        private var third: Action?
        private var fourth: Action?

        package init(
            _ first: Action? = nil, _ second: Action? = nil, _ third: Action? = nil, _ fourth: Action? = nil
        ) {
            self.first = first
            self.second = second
            self.third = third
            self.fourth = fourth
        }

        package static let none = Actions()

        package func forEach(_ body: (Action) -> Void) {
            if let first { body(first) }
            if let second { body(second) }
            if let third { body(third) }
            if let fourth { body(fourth) }
        }
    }

    package enum Phase: Equatable, Sendable {
        /// Between requests.
        case idle
        /// An exchange runs, and its request has not ended.
        case reading
        /// An exchange runs, and its request has ended.
        case responding
        /// The last response is being written. Input is ignored; `drains` tells whether more of it may come.
        case closing(drains: Bool)
        /// Output is closed; input is read and dropped until `end` at the latest.
        case draining(end: NIODeadline)
        case closed
    }

    /// Longest time that input is drained. A client that is silent for ``drainSilence`` ends it earlier.
    static let drainTime: TimeAmount = .seconds(30)

    private let drainSilence: TimeAmount
    /// With TLS a client that sent close_notify is gone (RFC 9112 §9.8): half-closed connections do not exist.
    private let isTLS: Bool

    package private(set) var phase = Phase.idle
    /// Whether the connection closes after the current response.
    package private(set) var closesAfterResponse = false
    private var isCutOff = false
    private var isInputClosed = false
    /// Whether the bytes after the current request are not HTTP. They are dropped.
    private var isInputBroken = false
    /// Whether the client takes what is written. Until then, further requests are not served: the responses of a client
    /// that never reads would fill the memory.
    private var isWritable = true
    /// Whether the connection can be written to: with TLS once the handshake is over.
    private var isOpen: Bool
    private var queue = CircularBuffer<HTTPServerRequestPart>(initialCapacity: 0)
    private var isDelivering = false
    /// Whether the last read completed at least a request's head.
    private var hasPartArrived = false
    /// Whether the last read brought bytes but no part, so that a head has begun.
    private var isHeadBegun = false
    private var lastArrival = NIODeadline.uptimeNanoseconds(0)

    package init(isTLS: Bool, drainSilence: TimeAmount) {
        self.isTLS = isTLS
        self.drainSilence = drainSilence
        isOpen = !isTLS
    }

    package var isClosed: Bool { phase == .closed }

    /// Whether a request may be queued that can be served now.
    package var isIdle: Bool { phase == .idle }

    private var hasExchange: Bool { phase == .reading || phase == .responding }

    private var ignoresInput: Bool {
        switch phase {
        case .closing, .draining, .closed: true
        case .idle, .reading, .responding: false
        }
    }

    // MARK: The client

    package mutating func connected(_ admission: ConnectionLimit.Decision) -> Actions {
        if admission == .admitted { return Actions(.startTimer(.firstByte), .read) }
        isCutOff = admission == .cutOff
        if isTLS && isCutOff {
            // Even a response would need a handshake, and the server waits for only a few of those.
            phase = .closed
            return Actions(.closeNow)
        }
        phase = .closing(drains: true)
        // Without TLS the response can be sent without reading anything.
        return Actions(
            .respondWithError, .startTimer(.errorResponse), .flushLastResponse, isTLS ? .read : nil)
    }

    /// Takes a part of a request. Returns it if it is to be delivered now, `nil` if it is queued or dropped.
    package mutating func received(_ part: HTTPServerRequestPart) -> HTTPServerRequestPart? {
        if ignoresInput { return nil }
        hasPartArrived = true
        isHeadBegun = false
        if !queue.isEmpty || isDelivering || phase == .responding || (phase == .idle && !isWritable) {
            queue.append(part)
            return nil
        }
        deliver(part)
        return part
    }

    /// All parts of one read have been taken. ``inputPaused()`` must follow.
    package mutating func readCompleted(at now: @autoclosure () -> NIODeadline) -> Actions {
        if case .draining = phase { lastArrival = now() }
        isHeadBegun = !hasPartArrived
        hasPartArrived = false
        return Actions(hasExchange ? .pauseExchangeInput : nil)
    }

    /// Decides what the connection waits for. A separate event, because the exchange's handling of the last parts may
    /// change the state.
    package mutating func inputPaused() -> Actions {
        switch phase {
        case .idle where isInputClosed && queue.isEmpty: closeAfterResponses()
        case .idle: Actions(isHeadBegun ? .startTimer(.head) : nil, readMore())
        case .reading: Actions(.startBodyTimer, .readBody)
        case .responding: Actions(.startTimer(.nothing), readMore())
        case .draining: Actions(.read)
        case .closing, .closed: .none
        }
    }

    /// The client closed its sending half.
    package mutating func inputClosed() -> Actions {
        isInputClosed = true
        switch phase {
        case .idle: return queue.isEmpty ? closeAfterResponses() : .none
        case .reading: return clientIsGone()
        case .responding: return isTLS ? clientIsGone() : Actions(.reportHalfClose)
        case .draining: return abort()
        case .closing, .closed: return .none
        }
    }

    /// The input is not a valid or complete request; the caller has the error to respond with.
    package mutating func requestFailed() -> Actions {
        switch phase {
        case .idle:
            phase = .closing(drains: true)
            return Actions(.respondWithError, .startTimer(.errorResponse), .flushLastResponse)
        case .reading:
            closesAfterResponse = true
            return Actions(.respondWithError)
        case .responding:
            // The error is in what follows the request, which still gets its response.
            closesAfterResponse = true
            isInputBroken = true
            return Actions(.announceClose)
        case .closing, .draining, .closed: return .none
        }
    }

    package mutating func connectionFailed() -> Actions { clientIsGone() }

    /// The TLS handshake is over.
    package mutating func handshakeCompleted() { isOpen = true }

    /// The client takes what is written, or has stopped taking it.
    package mutating func writabilityChanged(to isWritable: Bool) { self.isWritable = isWritable }

    /// The channel is closed, by either side.
    package mutating func channelClosed() -> Actions {
        let hadExchange = hasExchange
        phase = .closed
        return Actions(hadExchange ? .reportClientClosed : nil)
    }

    // MARK: Queued requests

    /// Returns whether queued parts may be delivered now; if so, ``nextPart()`` and ``deliveryEnded()`` must follow.
    package mutating func startDelivery() -> Bool {
        // Exchanges that end at once come back here from within a delivery. The outer loop goes on, so that the stack
        // stays flat.
        if isDelivering { return false }
        isDelivering = true
        return true
    }

    package mutating func nextPart() -> HTTPServerRequestPart? {
        guard (phase == .idle && isWritable) || phase == .reading, !closesAfterResponse, let part = queue.popFirst()
        else { return nil }
        deliver(part)
        return part
    }

    /// ``inputPaused()`` must follow.
    package mutating func deliveryEnded() -> Actions {
        isDelivering = false
        return Actions(hasExchange ? .pauseExchangeInput : nil)
    }

    private mutating func deliver(_ part: HTTPServerRequestPart) {
        switch part {
        case .head: phase = .reading
        case .body: break
        case .end: if phase == .reading { phase = .responding }
        }
    }

    // MARK: The exchange

    /// What happens to the connection after a response.
    package enum NextStep: Equatable, Sendable {
        /// Wait for the next request, or serve a queued one.
        case serveNext
        /// The response is the last one.
        case close(Actions)
        /// The connection is closed already.
        case nothing
    }

    /// The exchange has handed over its last bytes.
    ///
    /// - Parameter closes: Whether the connection cannot serve another request.
    package mutating func responseFinished(closes: Bool) -> NextStep {
        closesAfterResponse = closesAfterResponse || closes
        switch phase {
        case .responding where !closesAfterResponse:
            phase = .idle
            return .serveNext
        case .reading:
            phase = .closing(drains: true)
            return .close(Actions(.startTimer(.lastResponse), .flushLastResponse))
        case .responding, .idle: return .close(closeAfterResponses())
        case .closing, .draining, .closed: return .nothing
        }
    }

    /// The exchange cuts the connection.
    ///
    /// - Parameter resets: Whether the client must not mistake the end for a regular one.
    package mutating func aborted(resets: Bool) -> Actions {
        if phase == .closed { return .none }
        phase = .closed
        return Actions(resets ? .reset : .close)
    }

    /// Returns what to read next, if anything: more of the request's body, or what follows the request.
    package func readMore() -> Action? {
        switch phase {
        case .idle: isWritable ? .read : nil
        case .draining: .read
        case .reading: .readBody
        // TLS's close_notify is a message and must be read to be noticed. Without TLS it would cost system calls to
        // stop reading for each response; at most one read of further requests is queued.
        case .responding: queue.isEmpty && (isTLS || !isInputBroken) ? .read : nil
        case .closing, .closed: nil
        }
    }

    // MARK: Time

    package mutating func timerFired(_ wait: ConnectionTimer.Wait) -> Actions {
        switch wait {
        case .head, .body: requestFailed()
        case .nextRequest: phase == .idle ? closeAfterResponses() : .none
        case .firstByte, .lastResponse, .errorResponse: abort()
        case .nothing: .none
        }
    }

    package mutating func lastResponseWritten(at now: NIODeadline) -> Actions {
        guard case .closing(let drains) = phase else { return .none }
        if isInputClosed || isCutOff || !drains { return abort() }
        let end = now + Self.drainTime
        phase = .draining(end: end)
        lastArrival = now
        return Actions(.closeOutput, .read, .scheduleDrainCheck(at: min(now + drainSilence, end)))
    }

    package mutating func drainDeadlineReached(at now: NIODeadline) -> Actions {
        guard case .draining(let end) = phase else { return .none }
        let deadline = min(lastArrival + drainSilence, end)
        return now < deadline ? Actions(.scheduleDrainCheck(at: deadline)) : abort()
    }

    // MARK: The server stops

    /// Ends an idle connection now and a busy one after its response.
    package mutating func drain() -> Actions {
        closesAfterResponse = true
        if !isOpen && phase != .closed {
            // Whatever was written would wait for a handshake that may never come.
            return closeNow()
        }
        return switch phase {
        case .idle: closeAfterResponses()
        case .reading, .responding: Actions(.announceClose)
        case .closing, .draining, .closed: .none
        }
    }

    package mutating func cutOff() -> Actions { hasExchange ? Actions(.cutOffExchange) : abort() }

    /// The last resort when the server stops.
    package mutating func closeNow() -> Actions {
        phase = .closed
        return Actions(.closeNow)
    }

    // MARK: Ends

    private mutating func closeAfterResponses() -> Actions {
        phase = .closing(drains: !queue.isEmpty || isInputBroken)
        return Actions(.startTimer(.lastResponse), .flushLastResponse)
    }

    private mutating func clientIsGone() -> Actions {
        if phase == .closed { return .none }
        let hadExchange = hasExchange
        phase = .closed
        return Actions(hadExchange ? .reportClientClosed : nil, .close)
    }

    private mutating func abort() -> Actions {
        if phase == .closed { return .none }
        phase = .closed
        return Actions(.close)
    }
}
