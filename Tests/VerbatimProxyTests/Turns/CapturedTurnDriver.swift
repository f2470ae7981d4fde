import NIOCore
import NIOHTTP1
import Testing
import VerbatimAPI
import VerbatimJSON
import VerbatimTrace

@testable import VerbatimProxy
@testable import VerbatimHTTP

/// Drives a ``CapturedTurn`` without sockets or clocks: feeds it events, and keeps what it decides.
final class CapturedTurnDriver {
    private var turn: CapturedTurn
    private let capabilities: CapabilityCache
    /// Seconds since the turn began.
    private(set) var time = 0
    /// What the agent has got, as it goes over the wire.
    private(set) var sent = ""
    /// How many records the turn has asked to keep.
    private(set) var recordCount = 0
    /// All that the turn has found out about the engine.
    private(set) var findings: [CapabilityFinding] = []
    private var turnRecord: TurnRecord?
    private let budgetStop: TurnStop

    static let chunked: HTTPHeaders = ["Content-Type": "text/event-stream", "Transfer-Encoding": "chunked"]
    static let unaryBody =
        #"{"choices":[{"index":0,"message":{"content":"é"},"logprobs":{"content":[]},"token_ids":[7]}]}"#
    static let restoredBody = #"{"choices":[{"index":0,"message":{"content":"é"},"logprobs":null,"token_ids":null}]}"#
    static let rejection = #"{"error":{"message":"logprobs are not supported"}}"#

    /// - Parameters:
    ///   - isProven: Whether the engine is known to accept the injection.
    ///   - isProbe: Whether other turns wait for this one.
    init(
        stream: Bool = true, fields: String = "", goal: CaptureGoal = .tokens, isProven: Bool = false,
        isProbe: Bool = false,
        maximumReplySize: Int = 4096, maximumEventSize: Int = 512,
        agent: ResponseWriter.Request = ResponseWriter.Request(errorFormat: .openAI),
        wrapping wrap: (any APIRequest) -> any APIRequest = { $0 }
    ) throws {
        var policy = RequestPolicy()
        policy.goal = goal
        let start = NIODeadline.uptimeNanoseconds(0)
        let capabilities = CapabilityCache(fixed: .vllm, host: "engine", lifetime: .hours(1)) { _, _ in }
        let request = wrap(
            try APIRegistry.request(
                to: .chatCompletions, body: Array(#"{"model":"m","messages":[],"stream":\#(stream)\#(fields)}"#.utf8)))
        budgetStop = TurnStop(request, text: "Done.", id: "1", time: 2)
        func plan() -> CapabilityPlan {
            CapabilityPlan(
                request, policy: policy, session: "default", capabilities: capabilities, at: start)
        }
        if isProven {
            let plan = plan()
            capabilities.note(
                .accepted(plan.prepared.request.injection, limits: InjectionLimits()), for: plan.key, in: "default",
                at: start)
            capabilities.note(.succeeded(plan.prepared.request.injection), for: plan.key, in: "default", at: start)
        }
        let facts = TurnFacts(
            turn: 1, identity: SessionIdentity(session: "default"), api: .chatCompletions,
            path: "/v1/chat/completions", timestamp: 0,
            policy: policy, maximumReplySize: maximumReplySize, maximumEventSize: maximumEventSize)
        self.capabilities = capabilities
        turn = CapturedTurn(
            facts: facts, request: request, plan: plan(), output: ResponseWriter(request: agent), at: start)
        if isProbe { turn.becomeProbe() }
    }

    /// The record, read back from its line.
    var record: CaptureRecord? { turnRecord.map { CaptureRecord(line: TurnRecordEncoder.encode($0)) } }

    var isHolding: Bool { turn.isHolding }
    var isHeadWritten: Bool { turn.isHeadWritten }
    var prepared: PreparedRequest { turn.prepared }

    private var now: NIODeadline { .uptimeNanoseconds(UInt64(time) * 1_000_000_000) }

    // MARK: Events

    enum Event: CaseIterable {
        case head, body, end, unreachable, connectTimeout, disconnect, timeout, shutdown, agentGone, kept, notKept
    }

    /// Feeds an event a second after the last one, and returns what the turn has to be done.
    func on(_ event: Event) -> CapturedTurn.Action {
        time += 1
        func failure(_ kind: UpstreamFailure.Kind) -> UpstreamFailure {
            UpstreamFailure(kind: kind, message: "the cause")
        }
        return switch event {
        case .head: head()
        case .body: body(Self.event(1))
        case .end: perform { $0.engineEnded(at: $1) }
        case .unreachable: perform { $0.engineFailed(failure(.unreachable), at: $1) }
        case .connectTimeout: perform { $0.engineFailed(failure(.connectTimeout), at: $1) }
        case .disconnect: perform { $0.engineFailed(failure(.disconnected), at: $1) }
        case .timeout: perform { $0.timedOut("too slow", at: $1) }
        case .shutdown: perform { $0.shutDown(at: $1) }
        case .agentGone: perform { $0.agentDisconnected(at: $1) }
        case .kept: perform { turn, _ in turn.recordWasKept(nil) }
        case .notKept: perform { turn, _ in turn.recordWasKept("no space left") }
        }
    }

    func head(_ status: Int = 200, _ headers: HTTPHeaders = chunked) -> CapturedTurn.Action {
        let head = HTTPResponseHead(version: .http1_1, status: .init(statusCode: status), headers: headers)
        return perform { $0.engineSent(head: head, reason: "Fine", at: $1) }
    }

    func body(_ text: String) -> CapturedTurn.Action { body(Array(text.utf8)) }

    func body(_ bytes: [UInt8]) -> CapturedTurn.Action {
        perform { $0.engineSent(body: ByteBuffer(bytes: bytes), at: $1) }
    }

    /// The budget of the session is used up.
    func stop() -> CapturedTurn.Action {
        time += 1
        return perform { [budgetStop] in $0.stop(budgetStop, at: $1) }
    }

    func stopHolding() { _ = perform { turn, _ in turn.stopHolding() } }

    /// Sends the attempt a second after the last event.
    func sendAttempt() {
        time += 1
        turn.attemptWasSent(at: now)
    }

    private func perform(
        _ event: (inout CapturedTurn, NIODeadline) -> CapturedTurn.Decision
    ) -> CapturedTurn.Action {
        let decision = event(&turn, now)
        let segments = turn.takeOutput()
        // An agent that is cut off may lose what is sent last.
        for part in decision.action == .abort ? [] : segments.front + [segments.last] { sent += String(buffer: part) }
        for finding in decision.findings {
            capabilities.note(finding, for: turn.capabilityKey, in: turn.origin, at: now)
        }
        findings += decision.findings
        if case .record = decision.action {
            recordCount += 1
            turnRecord = turn.takeRecord(engine: capabilities.engine(of: turn.capabilityKey.model))
        }
        return decision.action
    }

    /// What the agent has got since the last call.
    func takeSent() -> String {
        defer { sent = "" }
        return sent
    }

    /// What the turn has found out since the last call.
    func takeFindings() -> [CapabilityFinding] {
        defer { findings = [] }
        return findings
    }

    // MARK: Texts

    /// A captured event, and as the agent gets it.
    static func event(_ number: Int, captured: Bool = true) -> String {
        let ids = captured ? "[\(number)]" : "null"
        return "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"\(number)\"},\"token_ids\":\(ids)}]}\n\n"
    }

    static let done = "data: [DONE]\n\n"

    static func chunk(_ text: String) -> String { String(text.utf8.count, radix: 16) + "\r\n" + text + "\r\n" }

    static let streamHead =
        "HTTP/1.1 200 Fine\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
}
