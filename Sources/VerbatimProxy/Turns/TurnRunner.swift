import NIOCore
import NIOHTTP1
import VerbatimAPI
import VerbatimTrace
import VerbatimHTTP

/// Performs what a ``CapturedTurn`` decides: connections, timers, the trace, and what other turns learn about the
/// engine.
final class TurnRunner: UpstreamDelegate {
    private var turn: CapturedTurn
    private let loop: ProxyLoop
    private let agent: ServerConnection
    private let request: ProxyRequest
    /// Keeps its share of the budget.
    private let body: RequestBody
    /// Sent before each attempt's body.
    private let byteOrderMark: ByteBuffer
    private let clock: HTTPClock
    private let timer: ExchangeTimer
    private var engine: UpstreamConnection?
    /// What the engine has not taken yet of the request's body.
    private var unsent: UnsentBody?
    /// The attempt whose body is being written right now.
    private var sendingAttempt: Int?
    /// Counts attempts, so that a connection or a timer of an earlier one is not taken for the current one's.
    private var attempt = 0
    /// When the turn stops waiting for probes, however many follow each other.
    private var waitEnd: NIODeadline?
    /// The turn waits for the probe of another.
    private var isWaitingForProbe = false
    /// The reply's head has come, and its time limit for being held has not been started.
    private var awaitsHead = false
    /// An attempt has been repeated because its connection turned out to be stale.
    private var hasRepeated = false

    init(
        _ turn: consuming CapturedTurn, loop: ProxyLoop, agent: ServerConnection, request: ProxyRequest,
        body: RequestBody, byteOrderMark: ByteBuffer
    ) {
        self.turn = turn
        self.loop = loop
        self.agent = agent
        self.request = request
        self.body = body
        self.byteOrderMark = byteOrderMark
        clock = loop.clock
        timer = agent.exchangeTimer
    }

    func start(at now: NIODeadline) {
        timer.start(loop.settings.exchangeLimits) { [weak self] in
            self?.isWaitingForEngine ?? false
        } onTimeout: { [weak self] timeout in
            self?.perform { $0.timedOut(timeout.message, at: $1) }
        }
        if let refusal = turn.refuseIfUnattainable() { return perform(refusal, at: now) }
        enter(at: now)
    }

    // MARK: Probes

    /// Sends the first attempt, or waits for the probe of another turn.
    private func enter(at now: NIODeadline) {
        guard turn.needsProbe else { return sendAttempt() }
        let bound = NIOLoopBound(self, eventLoop: loop.eventLoop)
        let role = loop.capabilities.probes.join(turn.capabilityKey, at: now) {
            bound.eventLoop.execute { bound.value.stopWaiting() }
        }
        switch role {
        case .wait(let end):
            let end = min(end, waitEnd ?? end)
            if end <= now { return sendAttempt() }
            waitEnd = end
            isWaitingForProbe = true
            clock.schedule(at: end, on: loop.eventLoop) { [weak self] in self?.stopWaiting() }
        case .proceed: sendAttempt()
        case .probe:
            turn.becomeProbe()
            sendAttempt()
        }
    }

    private func stopWaiting() {
        guard isWaitingForProbe else { return }
        isWaitingForProbe = false
        guard !turn.isOver, !turn.isRecording else { return }
        let now = clock.now
        let origin = turn.origin
        let policy = turn.policy
        turn.replan {
            CapabilityPlan(
                $0, policy: policy, session: origin, capabilities: loop.capabilities, isFirst: false,
                at: now)
        }
        if let refusal = turn.refuseIfUnattainable() { return perform(refusal, at: now) }
        enter(at: now)
    }

    // MARK: The engine

    private func sendAttempt(fresh: Bool = false) {
        attempt += 1
        let current = attempt
        let pool = loop.pool
        pool.connect(fresh: fresh) { [weak self] result in
            guard let self, !turn.isOver, attempt == current, !turn.isRecording else {
                if case .success(let connection) = result { pool.giveBack(connection) }
                return
            }
            switch result {
            case .failure(let failure): perform { $0.engineFailed(failure, at: $1) }
            case .success(let connection): send(on: connection)
            }
        }
    }

    private func send(on connection: UpstreamConnection) {
        let prepared = turn.prepared
        let body = UnsentBody(prepared.content)
        engine = connection
        turn.attemptWasSent(at: clock.now)
        let upstream = loop.settings.upstream
        let head = HTTPRequestHead(
            version: .http1_1,
            method: request.head.method,
            uri: upstream.target(path: "/v1" + prepared.route, query: request.query),
            headers: EngineHeaders.make(
                for: request, authority: upstream.address.authority, apiKey: loop.settings.upstreamAPIKey,
                acceptsIdentityOnly: true, bodyLength: byteOrderMark.readableBytes + body.length)
        )
        connection.start(head, for: self)
        connection.send(body: byteOrderMark)
        unsent = body
        sendBody()
    }

    /// Sends as much of the body as the engine takes, but no more at a time than others can wait for.
    private func sendBody() {
        let current = attempt
        // A write may call back.
        guard let engine, sendingAttempt != current else { return }
        sendingAttempt = current
        defer { if attempt == current { sendingAttempt = nil } }
        for _ in 0..<UnsentBody.partsAtATime {
            guard let part = unsent?.next() else { return }
            engine.send(body: part)
            if unsent?.isEmpty ?? true {
                unsent = nil
                return engine.endRequest()
            }
            engine.flush()
            if !engine.isWritable || attempt != current { return }
        }
        loop.eventLoop.assumeIsolated().execute { [weak self] in
            guard let self, attempt == current else { return }
            sendBody()
        }
    }

    var takesMore: Bool { !turn.isOver && agent.isWritable && turn.takesMore }

    /// The turn waits for the engine, not for the agent or the record.
    private var isWaitingForEngine: Bool { agent.isWritable && !turn.isRecording }

    func upstreamDidSend(head: HTTPResponseHead, reason: String) {
        awaitsHead = true
        var head = head
        head.headers = EngineReferences(to: loop.settings.upstream, in: request).rewritten(head.headers)
        perform(flushes: false) { $0.engineSent(head: head, reason: reason, at: $1) }
    }

    /// A whole reply that arrives at once needs no timer.
    private func limitHolding() {
        awaitsHead = false
        guard turn.isHolding else { return }
        let current = attempt
        clock.schedule(in: loop.settings.refusalTime, on: loop.eventLoop) { [weak self] in
            guard let self, attempt == current else { return }
            perform { turn, _ in turn.stopHolding() }
        }
    }

    func upstreamDidSend(body: ByteBuffer) {
        perform(flushes: false) { $0.engineSent(body: body, at: $1) }
    }

    func upstreamDidEnd() {
        if let engine { loop.pool.giveBack(engine) }
        engine = nil
        perform(flushes: false) { $0.engineEnded(at: $1) }
    }

    func upstreamDidFail(_ failure: UpstreamFailure) {
        engine = nil
        if failure.isStale && !hasRepeated && turn.isWaiting {
            hasRepeated = true
            sendAttempt(fresh: true)
        } else {
            perform { $0.engineFailed(failure, at: $1) }
        }
    }

    func upstreamDidPause() {
        if awaitsHead { limitHolding() }
        flush()
    }

    func upstreamWritabilityChanged() {
        if engine?.isWritable ?? false { sendBody() }
    }

    // MARK: The agent

    func clientDidClose() { perform { $0.agentDisconnected(at: $1) } }

    func clientDidHalfClose() {
        if turn.probeAgent() { flush() }
    }

    func clientWritabilityChanged() {
        timer.touch(at: clock.now)
        engine?.readMore()
    }

    func closeAfterReply() { turn.closeAfterReply() }

    /// Ends the turn because the budget of its session is used up.
    func stop(_ stop: TurnStop) { perform { $0.stop(stop, at: $1) } }

    func cutOff() { perform { $0.shutDown(at: $1) } }

    // MARK: Decisions

    private func perform(
        flushes: Bool = true, _ event: (inout CapturedTurn, NIODeadline) -> CapturedTurn.Decision
    ) {
        if turn.isOver { return }
        let now = clock.now
        perform(event(&turn, now), at: now, flushes: flushes)
    }

    private func perform(_ decision: CapturedTurn.Decision, at now: NIODeadline, flushes: Bool = true) {
        timer.touch(at: now)
        if !decision.findings.isEmpty { note(decision.findings, at: now) }
        switch decision.action {
        case .nothing: if flushes { flush() }
        case .retry:
            engine?.close()
            engine = nil
            hasRepeated = false
            sendAttempt()
            if flushes { flush() }
        case .record(let closesEngine):
            if closesEngine { dropEngine() }
            flush()
            keepRecord()
        case .finish:
            timer.cancel()
            agent.finish(turn.takeOutput(), closes: turn.mustClose)
        case .cutOff:
            timer.cancel()
            dropEngine()
            agent.finish(turn.takeOutput(), closes: true)
        case .abort:
            timer.cancel()
            dropEngine()
            agent.write(turn.takeOutput())
            agent.abort(resets: turn.mustReset)
        }
    }

    private func note(_ findings: [CapabilityFinding], at now: NIODeadline) {
        for finding in findings {
            loop.capabilities.note(finding, for: turn.capabilityKey, in: turn.origin, at: now)
        }
    }

    private func flush() {
        if turn.isOver { return }
        agent.write(turn.takeOutput())
        engine?.readMore()
    }

    private func dropEngine() {
        attempt += 1
        engine?.close()
        engine = nil
    }

    private func keepRecord() {
        guard loop.recorder != nil,
            let record = turn.takeRecord(engine: loop.capabilities.engine(of: turn.capabilityKey.model)).map({
                SharedRecord($0)
            })
        else { return }
        loop.context.health.note(record.record, model: turn.capabilityKey.model)
        let bound = NIOLoopBound(self, eventLoop: loop.eventLoop)
        let submission = RecordSubmission(record) { result in
            bound.eventLoop.execute {
                let runner = bound.value
                let failure: String? = if case .failure(let error) = result { error.reason } else { nil }
                runner.loop.log.turn(record.record, isKept: failure == nil)
                runner.perform { turn, _ in turn.recordWasKept(failure) }
                runner.loop.recordPersisted()
            }
        }
        loop.persist(submission)
    }
}
