import VerbatimJSON
import NIOCore
import NIOHTTP1
import VerbatimTrace
import VerbatimAPI

/// The life of one captured exchange, as decisions without I/O: something happens, and the answer is what to do.
///
/// What the agent is to get stands in ``output`` after each call. Exactly one record comes of each turn.
struct CapturedTurn {
    /// What the caller has to do.
    enum Action {
        case nothing
        /// Send a further attempt; the engine's connection is closed first if it is still busy with the last one.
        case retry
        /// Keep ``record`` and then call ``recordWasKept(_:)``. `closesEngine`: nothing more is wanted of the engine.
        case record(closesEngine: Bool)
        /// The reply is whole; the agent's connection may serve the next request.
        case finish
        /// Cut the agent's connection, so that it cannot take the reply for whole.
        case abort
    }

    struct Head {
        let status: Int
        let reason: String
        let headers: HTTPHeaders
        let framing: ResponseWriter.Framing
    }

    enum Phase {
        /// For the engine's head.
        case waiting
        /// A stream's head is held until its first event shows whether the engine took what was injected.
        case judging(Head)
        case streaming
        /// The whole reply is collected.
        case collecting(Head)
        /// The reply goes through unread.
        case passing(holdsLastByte: Bool)
        /// For the record to be kept.
        case recording(Ending)
        /// The stream's terminal event is out, the end of its framing is not.
        case trailing
        case over
    }

    /// What happens once the record is kept.
    enum Ending {
        /// The collected reply goes out.
        case reply(Head, ByteBuffer, isEdited: Bool)
        /// What was held back goes out, then what still comes.
        case terminalEvent(engineIsDone: Bool, engineFailed: Bool)
        /// What was held back goes out, and the reply's end.
        case end
        case error(ErrorReply)
        case abort
        /// Nobody is there any more.
        case gone
    }

    // MARK: State

    var prepared: PreparedRequest
    var output: ResponseWriter
    /// The turn's record; there when ``Action/record(closesEngine:)`` has been answered.
    var record: TurnRecord?

    let facts: Facts
    /// Let go of when no further attempt is possible: it may be large, and a stream long.
    var request: (any APIRequest)?
    let knowledge: CapabilityCache
    var injectionLimits: InjectionLimits
    var isCapabilityKnown: Bool
    var profile: EngineProfile
    var extraAttempts = 0
    /// What the engine said when it refused what was injected.
    var refusals: [String] = []
    /// What the engine's refusals leave to be tried.
    var lesson: InjectionLimits?
    /// Whether others wait for what this turn finds out about the engine.
    var isTrial = false
    /// Whether the plan rests on what another turn has presumed.
    var isTentative: Bool
    /// Whether the further attempt says nothing of what the engine takes.
    var learnsNothing = false
    /// Whether the engine has taken what was injected last.
    var hasSettled = false

    var phase = Phase.waiting
    var reader: StreamReader
    var collected = ByteBuffer()
    /// Bytes that wait for the record, or in front of a stream's first event.
    var held = ByteBuffer()
    var headStatus: Int?
    var passedProblem: String?
    var engineIsUntilClose = false

    var forwardedAt: NIODeadline
    var firstOutputAt: NIODeadline?
    var lastByteAt: NIODeadline

    /// What does not change while the turn lasts.
    struct Facts {
        var turn: Int
        var identity: SessionIdentity
        /// The turn that this one repeats.
        var retryOf: Int?
        var api: API
        var path: String
        /// Unix time of arrival, in seconds.
        var timestamp: Double
        var policy: RequestPolicy
        var maximumReplySize: Int
        var maximumEventSize: Int
        /// What no record says.
        var secrets = Secrets()
    }

    /// - Parameter plan: What ``CapturedTurn/plan(_:policy:knowledge:api:at:)`` made of `request`.
    init(
        facts: Facts, request: any APIRequest, plan: Plan, knowledge: CapabilityCache, output: ResponseWriter,
        at now: NIODeadline
    ) {
        self.facts = facts
        self.request = request
        self.knowledge = knowledge
        self.output = output
        prepared = plan.prepared.request
        injectionLimits = plan.injectionLimits
        isCapabilityKnown = plan.isCapabilityKnown
        isTentative = plan.isTentative
        profile = plan.profile
        reader = StreamReader(reply: plan.prepared.reply, maximumEventSize: facts.maximumEventSize)
        forwardedAt = now
        lastByteAt = now
    }

    /// Whether nothing of the reply's head has gone out.
    var isHeadPending: Bool { !output.isHeadWritten }

    /// Whether the turn is over but for its record.
    var isRecording: Bool {
        if case .recording = phase { true } else { false }
    }

    /// Most bytes that wait behind a terminal event for its record.
    private static let waitingLimit = 64 << 10

    /// Most bytes that room is made for before they come.
    private static let reservedLimit = 64 << 20

    /// Whether more of the reply can be taken.
    var takesMore: Bool { !isRecording || reader.unclaimedBytes < Self.waitingLimit }

    /// Whether a stream's head is held until its first event.
    var isJudging: Bool {
        if case .judging = phase { true } else { false }
    }

    /// Whether nothing has been heard of the engine since the last attempt.
    var isWaiting: Bool {
        if case .waiting = phase { true } else { false }
    }

    // MARK: The engine answers

    mutating func engineSent(head: HTTPResponseHead, reason: String, at now: NIODeadline) -> Action {
        guard case .waiting = phase else { return .nothing }
        lastByteAt = now
        let head = Head(
            status: Int(head.status.code), reason: reason, headers: head.headers, framing: .init(of: head))
        if case .untilClose = head.framing { engineIsUntilClose = true }
        headStatus = head.status
        if !knowledge.isFixed {
            for (name, value) in head.headers {
                guard let recognised = EngineRecognition.profile(forHeader: name, value: value) else { continue }
                recognise(recognised, by: .header)
                break
            }
        }
        let isEventStream =
            head.headers.first(name: "content-type")?.lowercased().hasPrefix("text/event-stream") ?? false
        let isCompressed = (head.headers.first(name: "content-encoding")?.lowercased() ?? "identity") != "identity"
        if isCompressed && !(200..<300 ~= head.status) { passedProblem = Problem.replyCompressed }
        if isCompressed && 200..<300 ~= head.status {
            pass(head, problem: Problem.replyCompressed, holdsLastByte: !isEventStream)
        } else if isEventStream && 200..<300 ~= head.status {
            if prepared.injection.isEmpty || isCapabilityKnown {
                settleVerdict(at: now)
                startStream(head)
            } else {
                phase = .judging(head)
            }
        } else {
            let length = head.headers.first(name: "content-length").flatMap { Int($0) } ?? 0
            if length > facts.maximumReplySize {
                pass(head, problem: Problem.replyTooLarge, holdsLastByte: true)
            } else {
                // To grow by and by would move it again and again. More than that the head alone is not trusted for.
                collected.reserveCapacity(min(max(0, length), Self.reservedLimit))
                phase = .collecting(head)
            }
        }
        return .nothing
    }

    mutating func engineSent(body: ByteBuffer, at now: NIODeadline) -> Action {
        lastByteAt = now
        switch phase {
        case .judging, .streaming:
            reader.receive(body)
            return readStream(at: now)
        case .collecting(let head):
            collected.writeImmutableBuffer(body)
            if collected.readableBytes > facts.maximumReplySize {
                let start = collected
                collected = ByteBuffer()
                pass(head, problem: Problem.replyTooLarge, holdsLastByte: true)
                passBody(start)
            }
        case .passing: passBody(body)
        case .recording(.terminalEvent): reader.receive(body)
        case .trailing: output.body(body)
        case .waiting, .recording, .over: break
        }
        return .nothing
    }

    mutating func engineEnded(at now: NIODeadline) -> Action {
        lastByteAt = now
        switch phase {
        case .judging, .streaming: return endStream(at: now)
        case .collecting(let head): return endCollecting(head, at: now)
        case .passing:
            let isError = headStatus.map { !(200..<300 ~= $0) } ?? false
            return conclude(outcome: isError || reader.hasSeenError ? .upstreamError : .completed, then: .end)
        case .recording(.terminalEvent(_, let failed)):
            phase = .recording(.terminalEvent(engineIsDone: true, engineFailed: failed))
            return .nothing
        case .trailing: return finish()
        case .waiting, .recording, .over: return .nothing
        }
    }

    mutating func engineFailed(_ failure: UpstreamFailure, at now: NIODeadline) -> Action {
        lastByteAt = now
        switch phase {
        case .waiting, .judging, .collecting:
            switch failure.kind {
            case .unreachable:
                return conclude(outcome: .upstreamError, then: .error(.badGateway(failure.message)))
            case .connectTimeout:
                return conclude(outcome: .timeout, then: .error(.gatewayTimeout(failure.message)))
            case .disconnected:
                return conclude(outcome: .upstreamDisconnected, then: .error(.badGateway(failure.message)))
            }
        case .streaming, .passing:
            return conclude(outcome: reader.hasSeenError ? .upstreamError : .upstreamDisconnected, then: .abort)
        case .recording(.terminalEvent(let isDone, _)):
            phase = .recording(.terminalEvent(engineIsDone: isDone, engineFailed: true))
            return .nothing
        case .trailing:
            phase = .over
            return .abort
        case .recording, .over: return .nothing
        }
    }

    // MARK: Other things happen

    mutating func timedOut(_ message: String, at now: NIODeadline) -> Action {
        cut(outcome: .timeout, reply: .gatewayTimeout(message), at: now)
    }

    mutating func shutDown(at now: NIODeadline) -> Action {
        cut(outcome: .shutdown, reply: .shuttingDown, at: now)
    }

    private mutating func cut(outcome: Outcome, reply: ErrorReply, at now: NIODeadline) -> Action {
        if headStatus == nil { lastByteAt = now }
        switch phase {
        case .waiting, .judging, .collecting: return conclude(outcome: outcome, then: .error(reply), closesEngine: true)
        case .streaming, .passing: return conclude(outcome: outcome, then: .abort, closesEngine: true)
        case .recording(.terminalEvent(let isDone, _)) where outcome == .shutdown:
            // The turn is whole; only what would still come behind it is given up.
            phase = .recording(.terminalEvent(engineIsDone: isDone, engineFailed: true))
            return .nothing
        case .recording where outcome == .shutdown: return .nothing
        case .recording, .trailing:
            phase = .over
            return .abort
        case .over: return .nothing
        }
    }

    mutating func agentDisconnected(at now: NIODeadline) -> Action {
        output.discard()
        if headStatus == nil { lastByteAt = now }
        switch phase {
        case .waiting, .judging, .collecting, .streaming, .passing:
            return conclude(outcome: .clientDisconnected, then: .gone, closesEngine: true)
        case .recording(.terminalEvent(engineIsDone: false, _)):
            phase = .over
            return .abort
        case .recording:
            phase = .recording(.gone)
            return .nothing
        case .trailing:
            phase = .over
            return .abort
        case .over: return .nothing
        }
    }

    /// - Parameter failure: Why the record could not be written; `nil` if it is kept.
    mutating func recordWasKept(_ failure: String?) -> Action {
        guard case .recording(let ending) = phase else { return .nothing }
        phase = .over
        if let failure {
            if case .gone = ending { return .abort }
            if output.isHeadWritten { return .abort }
            return reply(with: .traceUnavailable(failure))
        }
        switch ending {
        case .reply(let head, let body, let isEdited):
            write(head, bodyLength: body.readableBytes, isEdited: isEdited)
            output.body(body)
            return finish()
        case .terminalEvent(let isDone, let failed):
            output.body(held)
            output.body(reader.takeUnclaimed())
            if isDone { return finish() }
            if failed { return .abort }
            phase = .trailing
            return .nothing
        case .end:
            output.body(held)
            return finish()
        case .error(let error): return reply(with: error)
        case .abort, .gone: return .abort
        }
    }

    mutating func finish() -> Action {
        phase = .over
        output.end()
        return .finish
    }

    private mutating func reply(with error: ErrorReply) -> Action {
        phase = .over
        output.reply(with: error)
        return .finish
    }
}
