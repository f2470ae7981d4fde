import Logging
import NIOCore
import NIOHTTP1
import NIOSSL
import VerbatimTrace
import VerbatimAPI

/// What all event loops of a server share.
struct ServerContext: Sendable {
    let settings: ProxySettings
    let tls: NIOSSLContext?
    let capabilities: CapabilityCache
    /// `nil` if nothing is captured.
    let recorder: TraceRecorder?
    let clock: HTTPClock
    let log: TurnLog
    let routes: RouteTable
    let connectionLimit: ConnectionLimit
    let bodies: BodyBudget
    let connections = ConnectionCount()
    let attempts = RetryIndex()
    let health = CaptureHealth()
    let admission: Admission
    /// What the settings hold of them.
    let secrets: [String]

    init(
        settings: ProxySettings, tls: NIOSSLContext?, capabilities: CapabilityCache, recorder: TraceRecorder?,
        clock: HTTPClock, logger: Logger
    ) {
        self.settings = settings
        self.tls = tls
        self.capabilities = capabilities
        self.recorder = recorder
        self.clock = clock
        log = TurnLog(logger: logger)
        routes = RouteTable(upstream: settings.upstream, onlyCaptured: settings.onlyCaptured)
        connectionLimit = ConnectionLimit(maximum: settings.maximumConnections, clock: clock, logger: logger)
        bodies = BodyBudget(limit: settings.maximumBuffered)
        admission = Admission(settings)
        secrets = settings.secrets
    }
}

/// What the connections of one event loop share. Used on that loop only.
final class ProxyLoop {
    let eventLoop: any EventLoop
    let server: ServerContext
    let pool: UpstreamPool
    let spareBuffer = SpareBuffer()
    let receiveBuffers: ReceiveBuffers
    private var agents: [ObjectIdentifier: ServerConnection] = [:]
    private(set) var isDraining = false
    /// Records that the writer has not been told of.
    private var submissions: [TraceRecorder.Submission] = []

    init(eventLoop: any EventLoop, server: ServerContext) {
        self.eventLoop = eventLoop
        self.server = server
        let receiveBuffers = ReceiveBuffers()
        self.receiveBuffers = receiveBuffers
        pool = UpstreamPool(
            settings: server.settings, tls: server.tls, clock: server.clock, loop: eventLoop,
            receiveBuffers: receiveBuffers)
    }

    var settings: ProxySettings { server.settings }
    var capabilities: CapabilityCache { server.capabilities }
    var recorder: TraceRecorder? { server.recorder }
    var log: TurnLog { server.log }
    var clock: HTTPClock { server.clock }

    /// Chooses what is done with a request.
    func exchange(for received: HTTPRequestHead, on agent: ServerConnection) -> any Exchange {
        var head = received
        head.headers.dropTrailingSpace()
        let parsed = ProxyRequest(head)
        if let refusal = RequestRules.refusal(of: head) {
            // How such a request is framed is not to be relied upon: it is answered at once, and nothing after it read.
            return LocalExchange(
                agent: agent, request: parsed?.outputRequest ?? ResponseWriter.Request(), reply: refusal,
                isAwaited: true)
        }
        guard var request = parsed else {
            return LocalExchange(
                agent: agent, request: ResponseWriter.Request(keepsAlive: false),
                reply: .badRequest("the request target must be a path: this is a proxy for one engine"))
        }
        if request.path == "/healthz" && (head.method == .GET || head.method == .HEAD) {
            let report = server.health.report(
                recorder, namesSessions: server.admission.maySeeSessions(head.headers))
            return LocalExchange(
                agent: agent, request: request.outputRequest, status: report.status, json: report.json)
        }
        if let refusal = server.admission.refusal(of: &request) {
            return LocalExchange(
                agent: agent, request: request.outputRequest, reply: refusal, isAwaited: request.hasBody)
        }
        if let session = request.namedSession, !SessionID.isValid(session) {
            return LocalExchange(
                agent: agent, request: request.outputRequest, reply: .badRequest(SessionID.rule),
                isAwaited: request.expectsContinue)
        }
        if head.method == .OPTIONS, head.headers.first(name: "max-forwards") == "0" {
            return LocalExchange(agent: agent, request: request.outputRequest, status: .ok, json: "{}")
        }
        switch server.routes.route(method: head.method, path: request.path) {
        case .captured(let api) where recorder != nil:
            return CapturedExchange(loop: self, agent: agent, request: request, api: api)
        case .captured(let api):
            // With or without capture, such a request goes to the same place.
            return ForwardedExchange(loop: self, agent: agent, request: request, path: "/v1" + api.route)
        case .forwarded: return ForwardedExchange(loop: self, agent: agent, request: request, path: request.path)
        case .refused(let reply):
            return LocalExchange(
                agent: agent, request: request.outputRequest, reply: reply, isAwaited: request.expectsContinue)
        }
    }

    // MARK: Records

    /// Hands a record to the writer, together with those of the other turns that end in the same go of the event loop: to
    /// wake a thread costs more than to write a record.
    ///
    /// The loop is needed until ``recordingDidEnd()``, even if the record's agent is gone.
    func keep(_ record: SharedRecord, whenKept: @escaping @Sendable (Result<Void, TraceError>) -> Void) {
        server.connections.increase()
        submissions.append((record, whenKept))
        if submissions.count > 1 { return }
        eventLoop.assumeIsolated().execute { [self] in
            let submissions = submissions
            self.submissions.removeAll(keepingCapacity: true)
            recorder?.record(submissions)
        }
    }

    func recordingDidEnd() { server.connections.decrease() }

    // MARK: Agents

    /// - Returns: Whether the agent is one too many.
    func add(_ agent: ServerConnection) -> ConnectionLimit.Admission {
        agents[ObjectIdentifier(agent)] = agent
        server.connections.increase()
        let admission = server.connectionLimit.enter()
        if isDraining { agent.drain() }
        return admission
    }

    func remove(_ agent: ServerConnection, admittedAs admission: ConnectionLimit.Admission) {
        agents[ObjectIdentifier(agent)] = nil
        server.connectionLimit.leave(admission)
        server.connections.decrease()
    }

    func drain() {
        isDraining = true
        for agent in agents.values { agent.drain() }
    }

    func cutOff() {
        for agent in agents.values { agent.cutOff() }
    }

    func closeAll() {
        for agent in agents.values { agent.closeNow() }
        pool.closeIdle()
    }
}
