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

    init(loop: ProxyLoop, agent: ServerConnection, request: ProxyRequest, api: API) {
        self.loop = loop
        self.agent = agent
        self.request = request
        self.api = api
        body = RequestBody(budget: loop.context.bodies, maximumSize: loop.settings.maximumBodySize)
        output = ResponseWriter(request: request.responseRequest, spare: loop.server.spareBuffer)
    }

    // MARK: The request

    private var isReceiving: Bool {
        if case .request = stage { true } else { false }
    }

    private var turn: TurnRunner? {
        if case .turn(let turn) = stage { turn } else { nil }
    }

    var wantsBody: Bool { isReceiving }
    var limitsBodyTime: Bool { true }

    func start() {
        guard ContentCoding.isIdentity(request.head.headers) else {
            return refuse(.unsupportedCoding, closes: true)
        }
        let limit = loop.settings.maximumBodySize
        if let length = request.head.bodyLength, length > limit {
            refuse(.bodyTooLarge(limit: limit), closes: true)
        } else if request.head.expectsContinue {
            output.continueRequest()
            agent.write(output.take())
        }
    }

    func receive(body part: ByteBuffer) {
        guard isReceiving else { return }
        if let refusal = body.append(part) { refuse(refusal, closes: true) }
    }

    /// Nothing goes to the engine before the request is complete.
    func inputDidPause() {}

    func receiveEnd() {
        guard isReceiving else { return }
        if let reason = loop.recorder?.refusal {
            loop.recorder?.noteRefusedTurn()
            loop.log.refusedTurn(.traceUnavailable)
            return refuse(.traceUnavailable(reason))
        }
        var bytes = body.take()
        let mark: [UInt8] = [0xEF, 0xBB, 0xBF]
        if bytes.starts(with: mark) {
            // Engines that read bodies with Python accept it.
            byteOrderMark = ByteBuffer(bytes: mark)
            bytes.removeFirst(mark.count)
        }
        do {
            begin(try APIRegistry.request(to: api, body: bytes))
        } catch {
            refuse(.badRequest(error.message))
        }
    }

    func requestDidBreak(_ reply: ErrorResponse) { refuse(reply, closes: true) }

    /// Replies without asking the engine. Such a request takes no turn number.
    private func refuse(_ reply: ErrorResponse, closes: Bool = false) {
        guard isReceiving else { return }
        stage = .over
        output.respond(with: reply, closes: closes)
        agent.finish(output.take(), closes: output.mustClose)
    }

    private func begin(_ parsed: any APIRequest) {
        let now = loop.clock.now
        let headers = request.head.headers
        let identity = SessionIdentity(
            named: request.namedSession, isBound: request.isBound, headers: headers,
            fields: SessionFields(parsed.document))
        guard let number = loop.recorder?.nextTurn(inSession: identity.session) else {
            loop.log.refusedTurn(.tooManySessions)
            return refuse(.tooManySessions)
        }
        let facts = TurnFacts(
            turn: number,
            identity: identity,
            retryOf: loop.context.attempts.firstAttempt(
                ofTurn: number, inSession: identity.session, body: RetryIndex.BodyDigest(parsed.document.body),
                headers: headers),
            api: api,
            path: request.receivedPath,
            timestamp: WallClock.now(),
            policy: loop.settings.policy,
            maximumReplySize: loop.settings.maximumReplySize,
            maximumEventSize: loop.settings.maximumEventSize,
            secrets: Secrets(configured: loop.context.secrets, headers: headers),
            boundSession: request.isBound ? request.namedSession : nil
        )
        let plan = CapabilityPlan(
            parsed, policy: facts.policy, session: facts.origin, capabilities: loop.capabilities, at: now)
        let turn = TurnRunner(
            CapturedTurn(facts: facts, request: parsed, plan: plan, output: output, at: now), loop: loop,
            agent: agent, request: request, body: body, byteOrderMark: byteOrderMark)
        stage = .turn(turn)
        turn.start(at: now)
    }

    // MARK: The agent

    func clientDidClose() {
        if let turn { turn.clientDidClose() } else { stage = .over }
    }

    func clientDidHalfClose() { turn?.clientDidHalfClose() }

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
