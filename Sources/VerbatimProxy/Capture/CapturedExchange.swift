import NIOCore
import NIOHTTP1
import VerbatimTrace
import VerbatimAPI
import VerbatimPlatform

/// Carries out what a ``CapturedTurn`` decides: connections, timers, the trace.
final class CapturedExchange: Exchange, UpstreamDelegate {
    private let loop: ProxyLoop
    private let agent: ServerConnection
    private let request: ProxyRequest
    private let api: API

    private var body = ByteBuffer()
    /// The body is held until the exchange is gone, in one form or another.
    private var share: BodyBudget.Share
    /// Until the turn begins; then the turn's own counts.
    private var output: ResponseWriter
    private var turn: CapturedTurn?
    private var engine: UpstreamConnection?
    private let clock: HTTPClock
    private let timer: ExchangeTimer
    /// Counts attempts, so that a connection that comes about too late is not taken for the current one.
    private var attempt = 0
    private var isOver = false
    /// When the turn stops waiting for others, however many trials follow each other.
    private var patience: NIODeadline?
    /// Whether the turn waits for what another one finds out.
    private var awaitsTrial = false
    /// Whether an attempt has been repeated because the connection for it turned out to be stale.
    private var hasRepeated = false

    init(loop: ProxyLoop, agent: ServerConnection, request: ProxyRequest, api: API) {
        self.loop = loop
        self.agent = agent
        self.request = request
        self.api = api
        share = BodyBudget.Share(of: loop.server.bodies)
        output = ResponseWriter(request: request.outputRequest, spare: loop.spareBuffer)
        clock = loop.clock
        timer = agent.exchangeTimer
    }

    // MARK: The request

    var wantsBody: Bool { turn == nil && !isOver }
    var limitsBodyTime: Bool { true }

    func start() {
        let limit = loop.settings.maximumBodySize
        if let length = request.bodyLength, length > limit {
            refuse(.bodyTooLarge(limit: limit), closes: true)
        } else if request.expectsContinue {
            output.continueRequest()
            agent.write(output.take())
        }
    }

    func receive(body part: ByteBuffer) {
        if isOver { return }
        guard share.take(part.readableBytes) else { return refuse(.overloaded, closes: true) }
        if body.readableBytes == 0 { body = part } else { body.writeImmutableBuffer(part) }
        if body.readableBytes > loop.settings.maximumBodySize {
            refuse(.bodyTooLarge(limit: loop.settings.maximumBodySize), closes: true)
        }
    }

    /// Nothing goes to the engine before the request has come to its end.
    func agentDidPause() {}

    func receiveEnd() {
        if isOver { return }
        if let reason = loop.recorder?.refusal {
            loop.recorder?.noteRefusedTurn()
            loop.log.refusedTurn("the trace cannot be written")
            refuse(.traceUnavailable(reason))
            return
        }
        do {
            begin(try APIRegistry.request(to: api, body: Array(body.readableBytesView)))
        } catch {
            refuse(.badRequest(error.message))
        }
    }

    func requestDidBreak(_ reply: ErrorReply) { refuse(reply, closes: true) }

    /// Answers without troubling the engine. Such a request takes no turn number.
    private func refuse(_ reply: ErrorReply, closes: Bool = false) {
        if isOver { return }
        isOver = true
        body = ByteBuffer()
        output.reply(with: reply, closes: closes)
        agent.finish(output.take(), closes: output.mustClose)
    }

    private func begin(_ parsed: any APIRequest) {
        let now = clock.now
        let headers = request.head.headers
        let identity = SessionIdentity(
            named: request.namedSession, isBound: request.isBound, headers: headers,
            fields: SessionFields(parsed.document))
        guard let number = loop.recorder?.nextTurn(inSession: identity.session) else {
            loop.log.refusedTurn("there are too many sessions")
            return refuse(.tooManySessions)
        }
        body = ByteBuffer()
        let facts = CapturedTurn.Facts(
            turn: number,
            identity: identity,
            retryOf: loop.server.attempts.firstAttempt(
                ofTurn: number, inSession: identity.session, body: RetryIndex.BodyDigest(parsed.document.body),
                headers: headers),
            api: api,
            path: request.receivedPath,
            timestamp: WallClock.now(),
            policy: loop.settings.policy,
            maximumReplySize: loop.settings.maximumReplySize,
            maximumEventSize: loop.settings.maximumEventSize,
            secrets: Secrets(configured: loop.server.secrets, headers: headers)
        )
        let plan = CapturedTurn.plan(
            parsed, policy: loop.settings.policy, knowledge: loop.knowledge, at: now)
        turn = CapturedTurn(
            facts: facts, request: parsed, plan: plan, knowledge: loop.knowledge, output: output, at: now)
        timer.start(loop.settings.exchangeLimits) { [weak self] in
            self?.isListening ?? false
        } onTimeout: { [weak self] timeout in
            guard let self else { return }
            perform { $0.timedOut(timeout.message, at: clock.now) }
        }
        if let refusal = turn?.refuseIfUnsatisfying(at: now) { return perform { _ in refusal } }
        enter(at: now)
    }

    /// Sends the first attempt, or waits for what another turn finds out about the engine.
    private func enter(at now: NIODeadline) {
        let trial = turn?.inPlace { $0.needsTrial ? $0.capabilityKey : nil }
        guard let trial = trial ?? nil else { return sendAttempt() }
        let bound = NIOLoopBound(self, eventLoop: loop.eventLoop)
        let admission = loop.knowledge.trials.admit(trial, at: now) {
            bound.eventLoop.execute { bound.value.stopWaiting() }
        }
        switch admission {
        case .wait(let end):
            let end = min(end, patience ?? end)
            if end <= now { return sendAttempt() }
            patience = end
            awaitsTrial = true
            clock.schedule(at: end, on: loop.eventLoop) { [weak self] in self?.stopWaiting() }
        case .go: sendAttempt()
        case .first:
            turn?.isTrial = true
            sendAttempt()
        }
    }

    private func stopWaiting() {
        guard awaitsTrial else { return }
        awaitsTrial = false
        guard !isOver, !isRecording else { return }
        let now = clock.now
        turn?.planAgain(at: now)
        if let refusal = turn?.refuseIfUnsatisfying(at: now) { return perform { _ in refusal } }
        enter(at: now)
    }

    // MARK: The engine

    private func sendAttempt(fresh: Bool = false) {
        attempt += 1
        let current = attempt
        let pool = loop.pool
        pool.connect(fresh: fresh) { [weak self] result in
            guard let self, !isOver, attempt == current, !isRecording else {
                if case .success(let connection) = result { pool.giveBack(connection) }
                return
            }
            switch result {
            case .failure(let failure): perform { $0.engineFailed(failure, at: clock.now) }
            case .success(let connection): send(on: connection)
            }
        }
    }

    private func send(on connection: UpstreamConnection) {
        guard let (route, body) = turn?.inPlace({ ($0.prepared.route, $0.prepared.body) }) else { return }
        engine = connection
        turn?.attemptWasSent(at: clock.now)
        let upstream = loop.settings.upstream
        let head = HTTPRequestHead(
            version: .http1_1,
            method: request.head.method,
            uri: upstream.target(path: "/v1" + route, query: request.query),
            headers: HeaderRules.forEngine(
                request.head.headers, authority: upstream.authority, apiKey: loop.settings.upstreamAPIKey,
                isAnthropic: request.isAnthropic, acceptsIdentityOnly: true, bodyLength: body.count)
        )
        connection.start(head, for: self)
        connection.send(body: ByteBuffer(bytes: body))
        connection.endRequest()
    }

    var takesMore: Bool { !isOver && agent.isWritable && turn?.inPlace { $0.takesMore } ?? false }

    /// Whether there is no turn that could still be changed.
    private var isRecording: Bool { turn?.inPlace { $0.isRecording } ?? true }

    /// Whether the engine is to speak next.
    private var isListening: Bool { agent.isWritable && !isRecording }

    func engineDidSend(head: HTTPResponseHead, reason: String) {
        perform(flushes: false) { $0.engineSent(head: head, reason: reason, at: clock.now) }
        guard turn?.inPlace({ $0.isJudging }) ?? false else { return }
        let current = attempt
        clock.schedule(in: loop.settings.refusalTime, on: loop.eventLoop) { [weak self] in
            guard let self, attempt == current else { return }
            perform { $0.stopJudging() }
        }
    }

    func engineDidSend(body: ByteBuffer) {
        let now = clock.now
        perform(flushes: false, at: now) { $0.engineSent(body: body, at: now) }
    }

    func engineDidEnd() {
        if let engine { loop.pool.giveBack(engine) }
        engine = nil
        perform(flushes: false) { $0.engineEnded(at: clock.now) }
    }

    func engineDidFail(_ failure: UpstreamFailure) {
        engine = nil
        if failure.isStale && !hasRepeated && turn?.isWaiting ?? false {
            hasRepeated = true
            sendAttempt(fresh: true)
        } else {
            perform { $0.engineFailed(failure, at: clock.now) }
        }
    }

    func engineDidPause() { flush() }

    func engineWritabilityChanged() {}

    // MARK: The agent

    func agentDidClose() {
        if isOver { return }
        guard turn != nil else {
            isOver = true
            return
        }
        perform { $0.agentDisconnected(at: clock.now) }
    }

    func agentDidHalfClose() {
        guard turn?.output.probe() ?? false else { return }
        flush()
    }

    func agentWritabilityChanged() {
        timer.touch(at: clock.now)
        engine?.readMore()
    }

    func cutOff() {
        guard turn != nil else {
            isOver = true
            agent.abort(resets: false)
            return
        }
        perform { $0.shutDown(at: clock.now) }
    }

    func willClose() {
        output.closeBehind()
        turn?.output.closeBehind()
    }

    // MARK: Decisions

    private func perform(
        flushes: Bool = true, at now: NIODeadline? = nil, _ event: (inout CapturedTurn) -> CapturedTurn.Action
    ) {
        guard !isOver, let action = turn?.inPlace(event) else { return }
        timer.touch(at: now ?? clock.now)
        switch action {
        case .nothing: break
        case .retry:
            engine?.close()
            engine = nil
            sendAttempt()
        case .record(let closesEngine):
            if closesEngine { dropEngine() }
            flush()
            keepRecord()
            return
        case .finish:
            isOver = true
            timer.cancel()
            let closes = turn?.output.mustClose ?? true
            agent.finish(turn?.output.take() ?? ResponseWriter.Segments(), closes: closes)
            return
        case .abort:
            isOver = true
            timer.cancel()
            dropEngine()
            let resets = turn.map { !$0.isHeadPending && !$0.output.showsTruncation } ?? false
            agent.abort(resets: resets)
            return
        }
        if flushes { flush() }
    }

    private func flush() {
        if isOver { return }
        if let segments = turn?.output.take() { agent.write(segments) }
        engine?.readMore()
    }

    private func dropEngine() {
        attempt += 1
        engine?.close()
        engine = nil
    }

    private func keepRecord() {
        guard loop.recorder != nil, let record = turn?.record.take().map({ SharedRecord($0) }) else { return }
        loop.server.health.note(record.record)
        let bound = NIOLoopBound(self, eventLoop: loop.eventLoop)
        loop.keep(record) { result in
            bound.eventLoop.execute {
                let exchange = bound.value
                let failure: String? = if case .failure(let error) = result { error.message } else { nil }
                exchange.loop.log.turn(record.record, isKept: failure == nil)
                exchange.perform { $0.recordWasKept(failure) }
                exchange.loop.recordingDidEnd()
            }
        }
    }
}

extension CapturedTurn {
    /// Lets a turn be changed, or looked at, where it is: what is asked of an optional one is asked of a copy.
    fileprivate mutating func inPlace<Result>(_ body: (inout CapturedTurn) -> Result) -> Result {
        body(&self)
    }
}
