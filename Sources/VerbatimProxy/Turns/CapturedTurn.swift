import NIOCore
import NIOHTTP1
import VerbatimAPI
import VerbatimTrace
import VerbatimHTTP
import VerbatimSchema

/// The state machine of one captured exchange, without I/O: it takes events and returns a ``Decision`` for each.
///
/// After each event, ``takeOutput()`` returns what to send to the agent. A turn produces exactly one record.
///
/// It cannot be copied: the compiler would otherwise copy all of it, event by event, to call it through a class.
struct CapturedTurn: ~Copyable {
    private enum Phase {
        /// Waits for the engine's head.
        case waiting
        /// The reply is coming.
        case replying
        /// Waits until the record is kept.
        case recording(Ending)
        /// The stream's terminal event has been sent, the end of its framing has not.
        case trailing
        case over
    }

    /// What happens when the record is kept.
    private enum Ending {
        /// The held part and the end of the reply are sent.
        case reply
        /// The terminal event is sent, followed by what the engine still sends.
        case terminalEvent(engineIsDone: Bool, engineFailed: Bool)
        case error(ErrorResponse)
        /// The agent has received nothing, and gets this.
        case message(FinalMessage)
        /// These end the reply, of which the agent has received a part.
        case rest([[UInt8]])
        /// The engine stopped in the middle of the reply.
        case cutOff
        case abort
        /// The agent is gone.
        case gone
    }

    /// Most bytes after a terminal event that are taken while its record is written.
    private static let maximumTrailingSize = 64 << 10

    private let facts: TurnFacts
    private var negotiation: CapabilityNegotiation
    private var relay: ReplyRelay
    private var output: ResponseWriter
    private var timings: TurnTimings
    private var phase = Phase.waiting
    private var record: TurnRecord?

    init(facts: TurnFacts, request: any APIRequest, plan: CapabilityPlan, output: ResponseWriter, at now: NIODeadline) {
        self.facts = facts
        self.output = output
        negotiation = CapabilityNegotiation(plan, request: request)
        relay = ReplyRelay(
            reply: plan.prepared.reply, isStreamAsked: plan.prepared.request.isStream, facts: facts)
        timings = TurnTimings(start: now)
    }

    // MARK: State

    /// The request as the next attempt sends it, or the current one has.
    var prepared: PreparedRequest { negotiation.prepared.request }
    /// What the findings are about.
    var capabilityKey: CapabilityKey { negotiation.key }
    /// What is done to its request.
    var policy: RequestPolicy { facts.policy }
    /// Whose findings they are.
    var origin: String { facts.origin }
    /// The engine has not been seen to accept what the turn injects.
    var needsProbe: Bool { negotiation.mayBeRejected }

    /// The current attempt has not received the engine's head.
    var isWaiting: Bool {
        if case .waiting = phase { true } else { false }
    }

    /// The reply's head is held: that of a stream until its first event, that of a whole reply until its end. See
    /// ``stopHolding()``.
    var isHolding: Bool {
        if case .replying = phase { relay.holdsHead } else { false }
    }

    /// The turn is over except for its record.
    var isRecording: Bool {
        if case .recording = phase { true } else { false }
    }

    var isOver: Bool {
        if case .over = phase { true } else { false }
    }

    /// More of the reply can be taken.
    var takesMore: Bool { !isRecording || relay.unreadBytes < Self.maximumTrailingSize }

    /// An abort must reset the agent's connection, because the framing would not show that the reply was cut off.
    var mustReset: Bool { output.isHeadWritten && !output.showsTruncation }

    /// The agent's connection cannot be used again.
    var mustClose: Bool { output.mustClose }

    /// A head has been written.
    var isHeadWritten: Bool { output.isHeadWritten }

    // MARK: Output

    /// Takes the bytes to send to the agent now.
    mutating func takeOutput() -> ResponseWriter.Segments { output.take() }

    /// Has the agent's connection closed after the reply.
    mutating func closeAfterReply() { output.closeAfterResponse() }

    /// Writes bytes that a connected agent ignores, and that make the host of one that is gone reset the connection.
    ///
    /// - Returns: False if there are no such bytes at this point of the reply.
    mutating func probeAgent() -> Bool { output.probeClient() }

    /// The turn's record, with the engine as known by then. Available once, after ``Action/record(closesEngine:)``.
    mutating func takeRecord(engine: EngineIdentity) -> TurnRecord? {
        guard var record = self.record.take() else { return nil }
        let recognized = engine.isFixed ? nil : relay.recognized
        record.engine = (recognized ?? engine.profile).name
        record.engineSource = engine.evidence?.rawValue
        return record
    }

    // MARK: Before the engine replies

    /// Starts again from a newer plan for the same request. Only before the first attempt.
    mutating func replan(_ makePlan: (any APIRequest) -> CapabilityPlan) {
        negotiation.replan(makePlan)
        relay = newRelay
    }

    private var newRelay: ReplyRelay {
        ReplyRelay(
            reply: negotiation.prepared.reply, isStreamAsked: negotiation.prepared.request.isStream, facts: facts)
    }

    /// Ends the turn before anything is sent if it would capture less than is required; else nil.
    mutating func refuseIfUnattainable() -> Decision? {
        negotiation.isUnattainable ? decide(refuse(message: nil)) : nil
    }

    /// Other turns wait for what this one finds out.
    mutating func becomeProbe() { negotiation.becomeProbe() }

    mutating func attemptWasSent(at now: NIODeadline) { timings.attemptWasSent(at: now) }

    // MARK: The engine

    mutating func engineSent(head: HTTPResponseHead, reason: String, at now: NIODeadline) -> Decision {
        guard case .waiting = phase else { return decide(.nothing) }
        timings.engineWasHeard(at: now)
        phase = .replying
        if negotiation.recognize(by: head.headers) { relay.use(negotiation.profile) }
        relay.receive(
            ReplyHead(head, reason: reason), holdsStream: negotiation.isUndecided, to: &output)
        return decide(.nothing)
    }

    mutating func engineSent(body: ByteBuffer, at now: NIODeadline) -> Decision {
        timings.engineWasHeard(at: now)
        switch phase {
        case .replying: return decide(after: relay.receive(body, to: &output), at: now)
        case .recording(.terminalEvent): relay.receiveAfterEnd(body)
        case .trailing: output.body(body)
        case .waiting, .recording, .over: break
        }
        return decide(.nothing)
    }

    mutating func engineEnded(at now: NIODeadline) -> Decision {
        timings.engineWasHeard(at: now)
        switch phase {
        case .replying: return decide(after: relay.end(to: &output), at: now)
        case .recording(.terminalEvent(_, let failed)):
            phase = .recording(.terminalEvent(engineIsDone: true, engineFailed: failed))
            return decide(.nothing)
        case .trailing: return decide(finish())
        case .waiting, .recording, .over: return decide(.nothing)
        }
    }

    mutating func engineFailed(_ failure: UpstreamFailure, at now: NIODeadline) -> Decision {
        timings.engineWasHeard(at: now)
        switch phase {
        case .waiting, .replying:
            if output.isHeadWritten {
                return decide(conclude(relay.hasError ? .upstreamError : .upstreamDisconnected, then: .cutOff))
            }
            if failure.kind == .disconnected,
                negotiation.handle(.hangUp, message: facts.secrets.masked(failure.message)) == .retry
            {
                return decide(retry())
            }
            return switch failure.kind {
            case .unreachable: decide(conclude(.upstreamError, then: .error(.badGateway(failure.message))))
            case .connectTimeout: decide(conclude(.timeout, then: .error(.gatewayTimeout(failure.message))))
            case .disconnected: decide(conclude(.upstreamDisconnected, then: .error(.badGateway(failure.message))))
            }
        case .recording(.terminalEvent(let isDone, _)):
            phase = .recording(.terminalEvent(engineIsDone: isDone, engineFailed: true))
            return decide(.nothing)
        case .trailing: return decide(cutOff())
        case .recording, .over: return decide(.nothing)
        }
    }

    // MARK: Time and the agent

    /// Sends the head of a stream before its first event, or that of a whole reply before its end: a rejection would
    /// have come at once, and an agent that gets nothing for long may give up.
    mutating func stopHolding() -> Decision {
        if case .replying = phase { relay.releaseHead(to: &output) }
        return decide(.nothing)
    }

    mutating func timedOut(_ message: String, at now: NIODeadline) -> Decision {
        cut(.timeout, reply: .gatewayTimeout(message), at: now)
    }

    mutating func shutDown(at now: NIODeadline) -> Decision {
        cut(.shutdown, reply: .shuttingDown, at: now)
    }

    /// Ends the turn because the budget of its session is used up: the agent gets a reply that is whole, or a stream that
    /// ends as if its token limit had been reached.
    mutating func stop(_ stop: TurnStop, at now: NIODeadline) -> Decision {
        if relay.status == nil { timings.engineWasHeard(at: now) }
        switch phase {
        case .waiting, .replying:
            guard output.isHeadWritten else {
                return decide(conclude(.budget, then: .message(stop.message), closesEngine: true))
            }
            let action = conclude(.budget, then: .abort, closesEngine: true)
            let use = record?.tokenUse
            let usage = EndingUsage(
                promptTokens: use?.prompt.tokens ?? 0, completionTokens: use?.completion.tokens ?? 0)
            if output.takesAnyLength, let rest = relay.rest(after: stop, usage: usage) {
                phase = .recording(.rest(rest))
            }
            return decide(action)
        // The reply is whole, or about to be cut off.
        case .recording, .trailing, .over: return decide(.nothing)
        }
    }

    private mutating func cut(_ outcome: TurnOutcome, reply: ErrorResponse, at now: NIODeadline) -> Decision {
        if relay.status == nil { timings.engineWasHeard(at: now) }
        switch phase {
        case .waiting, .replying:
            let ending = output.isHeadWritten ? Ending.abort : .error(reply)
            return decide(conclude(outcome, then: ending, closesEngine: true))
        case .recording(.terminalEvent(let isDone, _)) where outcome == .shutdown:
            // The turn is whole; only what would still come after it is given up.
            phase = .recording(.terminalEvent(engineIsDone: isDone, engineFailed: true))
            return decide(.nothing)
        case .recording where outcome == .shutdown: return decide(.nothing)
        case .trailing where outcome == .shutdown: return decide(cutOff())
        case .recording, .trailing: return decide(abort())
        case .over: return decide(.nothing)
        }
    }

    mutating func agentDisconnected(at now: NIODeadline) -> Decision {
        output.discard()
        if relay.status == nil { timings.engineWasHeard(at: now) }
        switch phase {
        case .waiting, .replying: return decide(conclude(.clientDisconnected, then: .gone, closesEngine: true))
        case .recording(.terminalEvent(engineIsDone: false, _)), .trailing: return decide(abort())
        case .recording:
            phase = .recording(.gone)
            return decide(.nothing)
        case .over: return decide(.nothing)
        }
    }

    // MARK: The record

    /// - Parameter failure: Why the record could not be written; nil if it is kept.
    mutating func recordWasKept(_ failure: String?) -> Decision {
        guard case .recording(let ending) = phase else { return decide(.nothing) }
        if let failure {
            if case .gone = ending { return decide(abort()) }
            return decide(output.isHeadWritten ? abort() : reply(with: .traceUnavailable(failure)))
        }
        switch ending {
        case .reply:
            relay.release(to: &output)
            return decide(finish())
        case .terminalEvent(let isDone, let failed):
            relay.release(to: &output)
            if isDone { return decide(finish()) }
            if failed { return decide(cutOff()) }
            phase = .trailing
            return decide(.nothing)
        case .error(let error): return decide(reply(with: error))
        case .message(let message):
            phase = .over
            output.respond(with: message)
            return decide(.finish)
        case .rest(let parts):
            for part in parts { output.body(ByteBuffer(bytes: part)) }
            return decide(finish())
        // Without framing that shows it, only a reset tells the agent that the reply is not whole.
        case .cutOff: return decide(output.showsTruncation ? cutOff() : abort())
        case .abort, .gone: return decide(abort())
        }
    }

    private mutating func conclude(_ outcome: TurnOutcome, then ending: Ending, closesEngine: Bool = false) -> Action {
        let capture = relay.captured()
        let end = end(outcome, capture)
        if end == .success { negotiation.engineAccepted() }
        var draft = RecordDraft(outcome: outcome, reply: relay, timings: timings)
        draft.isHeadSent = output.isHeadWritten
        draft.status = output.isHeadWritten || relay.wholeBody != nil ? relay.status : nil
        if case .message = ending { draft.status = 200 }
        if case .error(let error) = ending {
            draft.status = Int(error.status.code)
            draft.proxyError = error.openAIObject
        }
        draft.refusals = negotiation.rejections
        draft.capabilityProblems = negotiation.problems
        var record = draft.record(facts: facts, prepared: prepared, capture: capture)
        if case .error(let error) = ending { record.failure = error.message }
        negotiation.conclude(
            end, recognized: capture.engine ?? relay.recognized, version: capture.engineVersion,
            meetsRequirement: outcome == .completed ? meetsRequirement(record, capture) : nil)
        self.record = record
        phase = .recording(ending)
        return .record(closesEngine: closesEngine)
    }

    private func end(_ outcome: TurnOutcome, _ capture: Capture) -> CapabilityNegotiation.End {
        if relay.problem != nil { return .other }
        switch outcome {
        case .completed:
            if negotiation.hasJudgedError { return .failure }
            if capture.problems.contains(ProblemCode.replyNotJSON) { return .failure }
            // Some engines never send a terminal event.
            guard capture.problems.contains(ProblemCode.streamNotTerminated) else { return .success }
            return relay.hasOutput ? .other : .failure
        case .upstreamError, .upstreamDisconnected: return .failure
        default: return .other
        }
    }

    /// Whether the engine gave what is required, or ignores what it was asked for; nil if that does not show. A reply
    /// without output has no tokens, whatever the engine would give.
    private func meetsRequirement(_ record: TurnRecord, _ capture: Capture) -> Bool? {
        guard facts.policy.requirement != nil else { return nil }
        if facts.policy.isSatisfied(by: record.level) && capture.hasKnownValues { return true }
        let isUnread = relay.problem != nil || record.problems.contains(ProblemCode.replyNotJSON)
        let isFiltered = capture.choices.contains { $0.finishReason == Array(#""content_filter""#.utf8) }
        return isUnread || (relay.hasOutput && !isFiltered) ? false : nil
    }

    // MARK: Decisions

    private mutating func decide(_ action: Action) -> Decision {
        if output.isHeadWritten { negotiation.endRetries() }
        return Decision(action: action, findings: negotiation.takeFindings())
    }

    /// Takes decisions until the reply needs no other.
    private mutating func decide(after step: ReplyRelay.Step, at now: NIODeadline) -> Decision {
        var step = step
        while true {
            if relay.hasPassedOutput {
                timings.outputWasSeen(at: now)
                negotiation.engineAccepted()
            }
            switch step {
            case .goOn: return decide(.nothing)
            case .judge(let error?):
                let message = facts.secrets.masked(error.message)
                switch negotiation.handle(error, message: message) {
                case .passOn: relay.use(negotiation.profile)
                case .retry: return decide(retry())
                case .refuse: return decide(refuse(message: message))
                }
            // The first event of a stream may come before the engine looks at what was injected.
            case .judge(nil): if !relay.isHolding { negotiation.engineAccepted() }
            case .lateError(let error): negotiation.handleLate(error)
            case .ended(let outcome, .terminalEvent):
                return decide(
                    conclude(
                        outcome, then: .terminalEvent(engineIsDone: relay.hasEngineEnded, engineFailed: false)))
            case .ended(let outcome, .end): return decide(conclude(outcome, then: .reply))
            case .ended(let outcome, .cutOff): return decide(conclude(outcome, then: .cutOff))
            }
            step = relay.proceed(to: &output)
        }
    }

    private mutating func retry() -> Action {
        relay = newRelay
        phase = .waiting
        return .retry
    }

    /// - Parameter message: The engine's error; nil if no attempt was sent.
    private mutating func refuse(message: String?) -> Action {
        let error = ErrorResponse.captureUnavailable(
            required: facts.policy.requirement?.rawValue ?? "-", engine: negotiation.profile.name, api: facts.api,
            words: message)
        return conclude(.refused, then: .error(error), closesEngine: true)
    }

    private mutating func finish() -> Action {
        phase = .over
        output.end()
        return .finish
    }

    private mutating func cutOff() -> Action {
        phase = .over
        return .cutOff
    }

    private mutating func abort() -> Action {
        phase = .over
        return .abort
    }

    private mutating func reply(with error: ErrorResponse) -> Action {
        phase = .over
        output.respond(with: error)
        return .finish
    }
}
