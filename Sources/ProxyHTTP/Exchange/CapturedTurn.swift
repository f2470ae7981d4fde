import JSONBytes
import NIOCore
import NIOHTTP1
import Trace
import Wire

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
        let framing: ReplyOutput.Framing
    }

    private enum Phase {
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
    private enum Ending {
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

    private(set) var prepared: PreparedRequest
    var output: ReplyOutput
    /// The turn's record; there when ``Action/record(closesEngine:)`` has been answered.
    private(set) var record: TurnRecord?

    private let facts: Facts
    private let request: any DialectRequest
    private let knowledge: EngineKnowledge
    private var allowance: Allowance
    private var isVerdictKnown: Bool
    private var profile: EngineProfile
    private var extraAttempts = 0

    private var phase = Phase.waiting
    private var reader: StreamReader
    private var collected = ByteBuffer()
    /// Bytes that wait for the record, or in front of a stream's first event.
    private var held = ByteBuffer()
    private var headStatus: Int?
    private var passedProblem: String?
    private var engineIsUntilClose = false

    private var forwardedAt: NIODeadline
    private var firstOutputAt: NIODeadline?
    private var lastByteAt: NIODeadline

    /// What does not change while the turn lasts.
    struct Facts {
        var turn: Int
        var sessionID: String
        var dialect: Dialect
        var path: String
        /// Unix time of arrival, in seconds.
        var timestamp: Double
        var policy: RequestPolicy
        var maximumReplySize: Int
        var maximumEventSize: Int
    }

    /// - Parameter prepared: What ``CapturedTurn/prepare(_:policy:knowledge:dialect:at:)`` made of `request`.
    init(
        facts: Facts, request: any DialectRequest, plan: Plan, knowledge: EngineKnowledge, output: ReplyOutput,
        at now: NIODeadline
    ) {
        self.facts = facts
        self.request = request
        self.knowledge = knowledge
        self.output = output
        prepared = plan.prepared
        allowance = plan.allowance
        isVerdictKnown = plan.isVerdictKnown
        profile = plan.profile
        reader = StreamReader(reply: plan.prepared.reply, maximumEventSize: facts.maximumEventSize)
        forwardedAt = now
        lastByteAt = now
    }

    // MARK: The plan

    /// How a request is to be forwarded, by what is known of the engine.
    struct Plan {
        let prepared: PreparedRequest
        let allowance: Allowance
        let isVerdictKnown: Bool
        let profile: EngineProfile
    }

    static func plan(
        _ request: any DialectRequest, policy: RequestPolicy, knowledge: EngineKnowledge, dialect: Dialect,
        at now: NIODeadline
    ) -> Plan {
        let profile = knowledge.profile
        let prepared = request.prepared(policy: policy, profile: profile, allowance: Allowance())
        let verdict = knowledge.verdict(for: circumstances(of: prepared, dialect: dialect), at: now)
        guard let verdict, verdict != Allowance() else {
            return Plan(
                prepared: prepared, allowance: Allowance(), isVerdictKnown: verdict != nil, profile: profile)
        }
        return Plan(
            prepared: request.prepared(policy: policy, profile: profile, allowance: verdict),
            allowance: verdict, isVerdictKnown: true, profile: profile)
    }

    private static func circumstances(
        of prepared: PreparedRequest, dialect: Dialect
    ) -> EngineKnowledge.Circumstances {
        EngineKnowledge.Circumstances(
            dialect: dialect, model: prepared.model, isStream: prepared.isStream, hasTools: prepared.hasTools)
    }

    private var circumstances: EngineKnowledge.Circumstances {
        Self.circumstances(of: prepared, dialect: facts.dialect)
    }

    /// Whether nothing of the reply's head has gone out.
    var isHeadPending: Bool { !output.isHeadWritten }

    /// Whether the turn is over but for its record.
    var isRecording: Bool {
        if case .recording = phase { true } else { false }
    }

    // MARK: The engine answers

    mutating func engineSent(head: HTTPResponseHead, reason: String, at now: NIODeadline) -> Action {
        lastByteAt = now
        let head = Head(
            status: Int(head.status.code), reason: reason, headers: head.headers, framing: Self.framing(of: head))
        if case .untilClose = head.framing { engineIsUntilClose = true }
        headStatus = head.status
        if let server = head.headers.first(name: "server"),
            let recognised = EngineRecognition.profile(forServerHeader: server)
        {
            recognise(recognised)
        }
        let isEventStream = head.headers.first(name: "content-type")?.lowercased().hasPrefix("text/event-stream") ?? false
        let encoding = head.headers.first(name: "content-encoding")?.lowercased() ?? "identity"
        if encoding != "identity" && 200..<300 ~= head.status {
            pass(head, problem: Problem.replyCompressed, holdsLastByte: !isEventStream)
        } else if isEventStream && 200..<300 ~= head.status {
            if prepared.injection.isEmpty || isVerdictKnown {
                startStream(head)
            } else {
                phase = .judging(head)
            }
        } else if let length = head.headers.first(name: "content-length").flatMap({ Int($0) }),
            length > facts.maximumReplySize
        {
            pass(head, problem: Problem.replyTooLarge, holdsLastByte: true)
        } else {
            phase = .collecting(head)
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
        case .recording(.terminalEvent): held.writeImmutableBuffer(body)
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
        case .passing: return record(outcome: .completed, ending: .end)
        case .recording(.terminalEvent(_, let failed)):
            phase = .recording(.terminalEvent(engineIsDone: true, engineFailed: failed))
            return .nothing
        case .trailing: return finish()
        case .waiting, .recording, .over: return .nothing
        }
    }

    mutating func engineFailed(_ failure: EngineFailure, at now: NIODeadline) -> Action {
        lastByteAt = now
        switch phase {
        case .waiting, .judging, .collecting:
            switch failure.kind {
            case .unreachable:
                return record(outcome: .upstreamError, ending: .error(.badGateway(failure.message)))
            case .connectTimeout:
                return record(outcome: .timeout, ending: .error(.gatewayTimeout(failure.message)))
            case .disconnected:
                return record(outcome: .upstreamDisconnected, ending: .error(.badGateway(failure.message)))
            }
        case .streaming, .passing:
            return record(outcome: .upstreamDisconnected, ending: .abort)
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
        switch phase {
        case .waiting, .judging, .collecting: return record(outcome: outcome, ending: .error(reply), closesEngine: true)
        case .streaming, .passing: return record(outcome: outcome, ending: .abort, closesEngine: true)
        case .recording, .trailing:
            phase = .over
            return .abort
        case .over: return .nothing
        }
    }

    mutating func agentDisconnected(at now: NIODeadline) -> Action {
        output.discard()
        switch phase {
        case .waiting, .judging, .collecting, .streaming, .passing:
            return record(outcome: .clientDisconnected, ending: .gone, closesEngine: true)
        case .recording(let ending):
            phase = .recording(.gone)
            if case .terminalEvent(engineIsDone: false, _) = ending { return .abort }
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

    private mutating func finish() -> Action {
        phase = .over
        output.end()
        return .finish
    }

    private mutating func reply(with error: ErrorReply) -> Action {
        output.head(
            status: Int(error.status.code), reason: error.status.reasonPhrase, headers: error.headers,
            framing: .contentLength)
        output.body(ByteBuffer(bytes: error.body))
        return finish()
    }

    // MARK: Streams

    private mutating func startStream(_ head: Head) {
        phase = .streaming
        // Dropped and edited events change the length, so that it cannot be kept even if the engine gave one.
        let isEdited = !prepared.injection.isEmpty
        let framing: ReplyOutput.Framing
        if case .contentLength = head.framing, !isEdited { framing = .contentLength } else { framing = .chunked }
        output.head(
            status: head.status, reason: head.reason,
            headers: HeaderRules.forAgent(head.headers, length: isEdited ? .remove : .keep), framing: framing)
        output.body(held)
        held.clear()
    }

    private mutating func readStream(at now: NIODeadline) -> Action {
        while let unit = reader.next() {
            if case .judging(let head) = phase {
                guard unit.isEvent else {
                    held.writeImmutableBuffer(unit.bytes)
                    continue
                }
                if let error = reader.error, prepareRetry(afterStatus: Self.status(of: error), body: error) {
                    return .retry
                }
                if reader.error == nil { settleVerdict(at: now) }
                startStream(head)
            } else if let error = reader.error, unit.isEvent, firstOutputAt == nil,
                nextAllowance(afterStatus: Self.status(of: error), body: error) != nil
            {
                // What used to be taken is refused now; find out anew with the next turn.
                knowledge.forgetVerdict(for: circumstances)
            }
            if firstOutputAt == nil && reader.hasOutput { firstOutputAt = now }
            if unit.fate == .terminal {
                held = unit.bytes
                return record(
                    outcome: reader.hasSeenError ? .upstreamError : .completed,
                    ending: .terminalEvent(engineIsDone: false, engineFailed: false))
            }
            unit.write(to: &output)
        }
        if reader.isOverLimit {
            passedProblem = Problem.replyTooLarge
            output.body(reader.takeUnclaimed())
        }
        return .nothing
    }

    /// The stream has ended without its terminal event.
    private mutating func endStream(at now: NIODeadline) -> Action {
        if let unit = reader.last() {
            if case .judging(let head) = phase { startStream(head) }
            if unit.fate == .terminal {
                held = unit.bytes
                return record(
                    outcome: reader.hasSeenError ? .upstreamError : .completed,
                    ending: .terminalEvent(engineIsDone: true, engineFailed: false))
            }
            unit.write(to: &output)
        } else if case .judging(let head) = phase {
            startStream(head)
        }
        // Where a reply ends with its connection, an end in the middle looks like any other.
        let isCutOff = engineIsUntilClose && !reader.hasFinishedChoices
        if isCutOff { return record(outcome: .upstreamDisconnected, ending: .abort) }
        return record(outcome: reader.hasSeenError ? .upstreamError : .completed, ending: .end)
    }

    // MARK: Whole replies

    private mutating func endCollecting(_ head: Head, at now: NIODeadline) -> Action {
        let body = collected
        if !(200..<300 ~= head.status) {
            if prepareRetry(afterStatus: head.status, body: Array(body.readableBytesView)) {
                collected = ByteBuffer()
                return .retry
            }
            return record(outcome: .upstreamError, ending: .reply(head, body, isEdited: false))
        }
        reader.read(body: body)
        settleVerdict(at: now)
        if firstOutputAt == nil { firstOutputAt = now }
        let outcome: Outcome = reader.hasSeenError ? .upstreamError : .completed
        guard let edited = reader.editedBody(of: body) else {
            return record(outcome: outcome, ending: .reply(head, body, isEdited: false))
        }
        return record(outcome: outcome, ending: .reply(head, edited, isEdited: true))
    }

    private mutating func write(_ head: Head, bodyLength: Int, isEdited: Bool) {
        let framing: ReplyOutput.Framing
        let length: HeaderRules.LengthRule
        switch head.framing {
        case .contentLength:
            framing = .contentLength
            length = isEdited ? .replace(bodyLength) : .keep
        case .chunked, .untilClose:
            framing = .chunked
            length = .remove
        case .none:
            framing = .none
            length = .keep
        }
        output.head(
            status: head.status, reason: head.reason, headers: HeaderRules.forAgent(head.headers, length: length),
            framing: framing)
    }

    // MARK: Unread replies

    private mutating func pass(_ head: Head, problem: String, holdsLastByte: Bool) {
        passedProblem = problem
        phase = .passing(holdsLastByte: holdsLastByte)
        write(head, bodyLength: 0, isEdited: false)
    }

    private mutating func passBody(_ body: ByteBuffer) {
        guard case .passing(let holdsLastByte) = phase, body.readableBytes > 0 else { return }
        guard holdsLastByte else {
            output.body(body)
            return
        }
        var body = body
        output.body(held)
        held = ByteBuffer()
        if let most = body.readSlice(length: body.readableBytes - 1) { output.body(most) }
        held = body
    }

    // MARK: Refusals

    private mutating func recognise(_ profile: EngineProfile) {
        knowledge.recognise(profile)
        self.profile = knowledge.profile
        reader.use(self.profile)
    }

    private func nextAllowance(afterStatus status: Int, body: [UInt8]) -> Allowance? {
        Refusal.allowance(
            afterStatus: status, body: body.span, injection: prepared.injection, allowance: allowance)
    }

    /// Prepares a further attempt if the engine has refused what was injected and something else can be tried.
    private mutating func prepareRetry(afterStatus status: Int, body: [UInt8]) -> Bool {
        guard extraAttempts < 2, let next = nextAllowance(afterStatus: status, body: body) else { return false }
        if let recognised = EngineRecognition.profile(forRefusal: String(decoding: body.prefix(4096), as: UTF8.self)) {
            recognise(recognised)
        }
        // An engine that has just been recognised may take the same under another name.
        var retry = request.prepared(policy: facts.policy, profile: profile, allowance: allowance)
        if retry.injection == prepared.injection {
            allowance = next
            retry = request.prepared(policy: facts.policy, profile: profile, allowance: next)
        }
        if retry.injection == prepared.injection { return false }
        extraAttempts += 1
        prepared = retry
        reader = StreamReader(reply: retry.reply, maximumEventSize: facts.maximumEventSize)
        held = ByteBuffer()
        headStatus = nil
        phase = .waiting
        return true
    }

    mutating func attemptWasSent(at now: NIODeadline) {
        forwardedAt = now
    }

    private mutating func settleVerdict(at now: NIODeadline) {
        if !isVerdictKnown { knowledge.settle(allowance, for: circumstances, at: now) }
        isVerdictKnown = true
    }

    /// The `code` of an error event, which stands for the status it would have had.
    private static func status(of error: [UInt8]) -> Int {
        let text = error.span
        let object = try? JSONObject(document: text)
        return object?.value("code", in: text)?.int(in: text) ?? 400
    }

    private static func framing(of head: HTTPResponseHead) -> ReplyOutput.Framing {
        if head.status.code == 204 || head.status.code == 304 { return .none }
        if head.headers[canonicalForm: "transfer-encoding"].contains("chunked") { return .chunked }
        return head.headers.contains(name: "content-length") ? .contentLength : .untilClose
    }

    // MARK: The record

    private mutating func record(outcome: Outcome, ending: Ending, closesEngine: Bool = false) -> Action {
        if let recognised = reader.recognised { knowledge.recognise(recognised) }
        var draft = RecordDraft(outcome: outcome, engineStatus: headStatus)
        draft.passedProblem = passedProblem
        switch ending {
        case .reply(let head, let body, _):
            draft.status = head.status
            if !(200..<300 ~= head.status) || !reader.hasReadBody { draft.unreadBody = Array(body.readableBytesView) }
        case .error(let error):
            draft.status = Int(error.status.code)
            draft.proxyError = error.object
        case .terminalEvent, .end, .abort, .gone:
            draft.status = output.isHeadWritten ? headStatus : nil
        }
        switch phase {
        case .waiting, .collecting, .passing: draft.hasStream = false
        default: draft.hasStream = true
        }
        draft.isHeadSent = output.isHeadWritten
        draft.latency = Self.seconds(from: forwardedAt, to: lastByteAt)
        draft.timeToFirstToken = firstOutputAt.map { Self.seconds(from: forwardedAt, to: $0) }
        draft.engine = reader.recognised.map { knowledge.isFixed ? knowledge.profile.name : $0.name } ?? knowledge.profile.name
        draft.allowanceProblems = allowance.problems
        record = draft.record(facts: facts, prepared: prepared, capture: reader.captured())
        phase = .recording(ending)
        return .record(closesEngine: closesEngine)
    }

    private static func seconds(from start: NIODeadline, to end: NIODeadline) -> Double {
        Double((end - start).nanoseconds) / 1e9
    }
}
