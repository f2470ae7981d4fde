import VerbatimJSON
import NIOCore
import NIOHTTP1
import Testing
import VerbatimTrace
import VerbatimAPI

@testable import VerbatimProxy

/// Drives a ``CapturedTurn`` without sockets or clocks: things happen, and what is to be done is compared.
struct CapturedTurnDriver {
    var turn: CapturedTurn
    let knowledge: CapabilityCache
    /// Seconds since the turn began.
    private(set) var time = 0
    /// What the agent has got, as it goes over the wire.
    private(set) var sent = ""
    /// How many records were asked to be kept.
    private(set) var recordCount = 0

    static let chunked: HTTPHeaders = ["Content-Type": "text/event-stream", "Transfer-Encoding": "chunked"]
    static let unaryBody =
        #"{"choices":[{"index":0,"message":{"content":"é"},"logprobs":{"content":[]},"token_ids":[7]}]}"#
    static let restoredBody = #"{"choices":[{"index":0,"message":{"content":"é"},"logprobs":null,"token_ids":null}]}"#
    static let refusal = #"{"error":{"message":"logprobs are not supported"}}"#

    init(
        stream: Bool = true, goal: CaptureGoal = .tokens, verdictKnown: Bool = false, maximumReplySize: Int = 4096,
        maximumEventSize: Int = 512, agent: ResponseWriter.Request = ResponseWriter.Request(),
        wrapping wrap: (any APIRequest) -> any APIRequest = { $0 }
    ) throws {
        var policy = RequestPolicy()
        policy.goal = goal
        let start = NIODeadline.uptimeNanoseconds(0)
        let knowledge = CapabilityCache(fixed: .vllm, host: "engine", verdictLifetime: .hours(1)) { _, _ in }
        let request = wrap(
            try APIRegistry.request(to: .chatCompletions, body: Array(#"{"model":"m","stream":\#(stream)}"#.utf8)))
        func plan() -> CapturedTurn.Plan {
            CapturedTurn.plan(
                request, policy: policy, knowledge: knowledge, at: start)
        }
        if verdictKnown {
            let prepared = plan().prepared.request
            knowledge.settle(
                InjectionLimits(), taking: prepared.injection,
                for: CapturedTurn.capabilityKey(of: prepared), at: start)
        }
        let facts = CapturedTurn.Facts(
            turn: 1, identity: SessionIdentity(session: "default"), api: .chatCompletions,
            path: "/v1/chat/completions", timestamp: 0,
            policy: policy, maximumReplySize: maximumReplySize, maximumEventSize: maximumEventSize)
        self.knowledge = knowledge
        turn = CapturedTurn(
            facts: facts, request: request, plan: plan(), knowledge: knowledge, output: ResponseWriter(request: agent),
            at: start)
    }

    private var now: NIODeadline { .uptimeNanoseconds(UInt64(time) * 1_000_000_000) }

    // MARK: What happens

    enum Event: CaseIterable {
        case head, body, end, unreachable, connectTimeout, disconnect, timeout, shutdown, agentGone, kept, notKept
    }

    /// Lets something happen a second after the last; answers what is to be done.
    mutating func on(_ event: Event) -> String {
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

    mutating func head(_ status: Int = 200, _ headers: HTTPHeaders = chunked) -> String {
        let head = HTTPResponseHead(version: .http1_1, status: .init(statusCode: status), headers: headers)
        return perform { $0.engineSent(head: head, reason: "Fine", at: $1) }
    }

    mutating func body(_ text: String) -> String {
        perform { $0.engineSent(body: ByteBuffer(string: text), at: $1) }
    }

    /// The attempt goes out a second after what happened last.
    mutating func sendAttempt() {
        time += 1
        turn.attemptWasSent(at: now)
    }

    private mutating func perform(_ event: (inout CapturedTurn, NIODeadline) -> CapturedTurn.Action) -> String {
        let action = event(&turn, now)
        let segments = turn.output.take()
        for part in segments.front + [segments.last] { sent += String(buffer: part) }
        switch action {
        case .nothing: return ""
        case .retry: return "retry"
        case .finish: return "finish"
        case .abort: return "abort"
        case .record(let closesEngine):
            recordCount += 1
            return closesEngine ? "record, close engine" : "record"
        }
    }

    /// What the agent has got since this was asked last.
    mutating func takeSent() -> String {
        defer { sent = "" }
        return sent
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

    /// The record, read back from its line.
    var record: CaptureRecord? { turn.record.map { CaptureRecord(line: TurnRecordEncoder.encode($0)) } }
}
