import NIOCore
import NIOHTTP1
import VerbatimAPI
import VerbatimPlatform
import VerbatimTrace
import VerbatimHTTP

/// One request of a captured route: collects the body, then hands the exchange to a ``TurnRunner``.
final class CapturedExchange: Exchange {
    private enum Stage {
        /// The request is still coming.
        case request
        /// The whole request is there, and read on another thread, or its rollout is prepared.
        case reading
        case turn(TurnRunner)
        /// The exchange ended without a turn.
        case over
    }

    private let loop: ProxyLoop
    private let agent: ServerConnection
    private let request: ProxyRequest
    private let api: API
    private let body: RequestBody
    /// Until the turn begins; then the turn has its own.
    private var output: ResponseWriter
    private var stage = Stage.request
    /// Comes before the JSON text of the request; mostly empty.
    private var byteOrderMark = ByteBuffer()
    private var isClientHalfClosed = false

    init(loop: ProxyLoop, agent: ServerConnection, request: ProxyRequest, api: API) {
        self.loop = loop
        self.agent = agent
        self.request = request
        self.api = api
        body = RequestBody(
            budget: loop.context.bodies, maximumSize: loop.settings.maximumBodySize, announced: request.head.bodyLength)
        output = ResponseWriter(request: request.responseRequest, spare: loop.server.spareBuffer)
    }

    // MARK: The request

    private var isReceiving: Bool {
        if case .request = stage { true } else { false }
    }

    private var isReading: Bool {
        if case .reading = stage { true } else { false }
    }

    private var turn: TurnRunner? {
        if case .turn(let turn) = stage { turn } else { nil }
    }

    var wantsBody: Bool { isReceiving }
    var limitsBodyTime: Bool { true }

    func start() {
        guard ContentCoding.isIdentity(request.head.headers) else {
            return refuseRequest(.unsupportedCoding, closes: true)
        }
        let limit = loop.settings.maximumBodySize
        if let length = request.head.bodyLength, length > limit {
            refuseRequest(.bodyTooLarge(limit: limit), closes: true)
        } else if request.head.expectsContinue {
            output.continueRequest()
            agent.write(output.take())
        }
    }

    func receive(body part: ByteBuffer) {
        guard isReceiving else { return }
        if let refusal = body.append(part) { refuseRequest(refusal, closes: true) }
    }

    /// Nothing goes to the engine before the request is complete.
    func inputDidPause() {}

    func receiveEnd() {
        guard isReceiving else { return }
        if let reason = loop.recorder?.refusal { return refuse(unrecordable: reason) }
        var bytes = body.take()
        let mark: [UInt8] = [0xEF, 0xBB, 0xBF]
        if bytes.starts(with: mark) {
            // Engines that read bodies with Python accept it.
            byteOrderMark = ByteBuffer(bytes: mark)
            bytes.removeFirst(mark.count)
        }
        let now = loop.clock.now
        if bytes.count > RequestReading.longestOnLoop { return read(bytes, at: now) }
        do {
            begin(try RequestReading(of: request, to: api, body: bytes, context: loop.context, at: now), at: now)
        } catch {
            refuseRequest(.badRequest(error.message))
        }
    }

    private func read(_ bytes: [UInt8], at now: NIODeadline) {
        stage = .reading
        // The loop must stay alive until the result comes, even if the agent is gone.
        loop.server.beginWork()
        let bound = NIOLoopBound(self, eventLoop: loop.eventLoop)
        RequestReading.start(of: request, to: api, body: bytes, context: loop.context, at: now) { result in
            bound.eventLoop.execute {
                let exchange = bound.value
                exchange.loop.server.endWork()
                guard exchange.isReading else { return }
                switch result {
                case .success(let reading): exchange.begin(reading, at: now)
                case .failure(let error): exchange.refuseRequest(.badRequest(error.message))
                }
            }
        }
    }

    func requestDidBreak(_ reply: ErrorResponse) { refuseRequest(reply, closes: true) }

    /// Refuses a request for what it is.
    private func refuseRequest(_ reply: ErrorResponse, closes: Bool = false) {
        guard isReceiving || isReading else { return }
        loop.log.refusedRequest(reply)
        refuse(reply, closes: closes)
    }

    /// Replies without asking the engine. Such a request takes no turn number.
    private func refuse(_ reply: ErrorResponse, closes: Bool = false) {
        guard isReceiving || isReading else { return }
        stage = .over
        output.respond(with: reply, closes: closes)
        agent.finish(output.take(), closes: output.mustClose)
    }

    private func refuse(unrecordable reason: String) {
        loop.recorder?.noteRefusedTurn()
        loop.log.refusedTurn(.traceUnavailable)
        refuse(.traceUnavailable(reason))
    }

    /// Waits until the sink has found the rollout and its turn numbers, then begins again.
    private func prepare(_ reading: RequestReading, in recorder: any RecordSink, at now: NIODeadline) {
        stage = .reading
        loop.server.beginWork()
        let bound = NIOLoopBound(self, eventLoop: loop.eventLoop)
        recorder.prepare(reading.identity.place(in: request.namedSession)) { result in
            bound.eventLoop.execute {
                let exchange = bound.value
                exchange.loop.server.endWork()
                guard exchange.isReading else { return }
                switch result {
                case .success: exchange.begin(reading, at: now)
                case .failure(let error): exchange.refuse(unrecordable: error.reason)
                }
            }
        }
    }

    /// - Parameter now: When the request was complete.
    private func begin(_ reading: RequestReading, at now: NIODeadline) {
        let headers = request.head.headers
        let identity = reading.identity
        let place = identity.place(in: request.namedSession)
        let quota = loop.context.sessionQuota
        guard quota.admit(identity.session, of: request.sessionOwner) else {
            loop.log.refusedTurn(.tooManySessionsOfKey)
            return refuse(.tooManySessionsOfKey)
        }
        guard let recorder = loop.recorder, let rollout = recorder.rollout(of: place) else {
            return loop.recorder.map { prepare(reading, in: $0, at: now) } ?? refuse(.tooManySessions)
        }
        if let reason = recorder.refusal(of: rollout) { return refuse(unrecordable: reason) }
        let number: Int
        switch recorder.nextTurn(inSession: identity.session, of: rollout) {
        case .turn(let turn): number = turn
        case .unprepared: return prepare(reading, in: recorder, at: now)
        case .tooManySessions:
            quota.withdraw(identity.session, of: request.sessionOwner)
            loop.log.refusedTurn(.tooManySessions)
            return refuse(.tooManySessions)
        }
        let facts = TurnFacts(
            turn: number,
            identity: identity,
            rolloutID: rollout,
            retryOf: loop.context.attempts.firstAttempt(
                ofTurn: number, inSession: identity.session, body: reading.digest,
                headers: headers),
            api: api,
            path: request.receivedPath,
            timestamp: WallClock.now(),
            policy: reading.policy,
            maximumReplySize: loop.settings.maximumReplySize,
            maximumEventSize: loop.settings.maximumEventSize,
            secrets: Secrets(configured: loop.context.secrets, headers: headers),
            boundSession: request.boundSession
        )
        let turn = TurnRunner(
            CapturedTurn(facts: facts, request: reading.request, plan: reading.plan, output: output, at: now),
            loop: loop, agent: agent, request: request, body: body,
            byteOrderMark: byteOrderMark)
        stage = .turn(turn)
        turn.start(at: now)
        if isClientHalfClosed { turn.clientDidHalfClose() }
    }

    // MARK: The agent

    func clientDidClose() {
        if let turn { turn.clientDidClose() } else { stage = .over }
    }

    func clientDidHalfClose() {
        isClientHalfClosed = true
        turn?.clientDidHalfClose()
    }

    func clientWritabilityChanged() { turn?.clientWritabilityChanged() }

    func willClose() {
        output.closeAfterResponse()
        turn?.closeAfterReply()
    }

    func cutOff() {
        if let turn { return turn.cutOff() }
        stage = .over
        agent.abort(resets: false)
    }
}
