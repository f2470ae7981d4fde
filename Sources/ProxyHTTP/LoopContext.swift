import Logging
import NIOCore
import NIOHTTP1
import NIOSSL
import Trace
import Wire

/// What the connections of one event loop share. Used on that loop only.
final class LoopContext {
    let eventLoop: any EventLoop
    let settings: ProxySettings
    let knowledge: EngineKnowledge
    /// `nil` if nothing is captured.
    let recorder: TraceRecorder?
    let pool: EnginePool
    let attempts: FirstAttempts
    let log: TurnLog
    private let connections: ConnectionCount
    private var agents: [ObjectIdentifier: AgentConnection] = [:]
    private(set) var isDraining = false

    init(
        eventLoop: any EventLoop, settings: ProxySettings, tls: NIOSSLContext?, knowledge: EngineKnowledge,
        recorder: TraceRecorder?, attempts: FirstAttempts, log: TurnLog, connections: ConnectionCount
    ) {
        self.eventLoop = eventLoop
        self.settings = settings
        self.knowledge = knowledge
        self.recorder = recorder
        self.attempts = attempts
        self.log = log
        self.connections = connections
        pool = EnginePool(settings: settings, tls: tls, loop: eventLoop)
    }

    /// Chooses what is done with a request.
    func exchange(for head: HTTPRequestHead, on agent: AgentConnection) -> any AgentExchange {
        guard let request = AgentRequest(head) else {
            let request = ReplyOutput.Request(keepsAlive: false)
            return LocalExchange(
                agent: agent, request: request,
                reply: .badRequest("the request target must be a path: this is a proxy for one engine"))
        }
        if request.path == "/healthz" && (head.method == .GET || head.method == .HEAD) {
            return LocalExchange(agent: agent, request: request.outputRequest, json: #"{"status":"ok"}"#)
        }
        if let session = request.namedSession, !SessionID.isValid(session) {
            return LocalExchange(
                agent: agent, request: request.outputRequest, reply: .badRequest(SessionID.rule),
                isAwaited: request.expectsContinue)
        }
        guard let dialect = Dialect.spoken(method: head.method.rawValue, path: request.path) else {
            return ForwardedExchange(loop: self, agent: agent, request: request, path: request.path)
        }
        if recorder == nil {
            // With or without capture, such a request goes to the same place.
            return ForwardedExchange(loop: self, agent: agent, request: request, path: "/v1" + dialect.route)
        }
        return CapturedExchange(loop: self, agent: agent, request: request, dialect: dialect)
    }

    /// The loop is needed until a record has been written, even if its agent is gone.
    func recordingDidBegin() { connections.increase() }

    func recordingDidEnd() { connections.decrease() }

    // MARK: Agents

    func add(_ agent: AgentConnection) {
        agents[ObjectIdentifier(agent)] = agent
        connections.increase()
        if isDraining { agent.drain() }
    }

    func remove(_ agent: AgentConnection) {
        agents[ObjectIdentifier(agent)] = nil
        connections.decrease()
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
