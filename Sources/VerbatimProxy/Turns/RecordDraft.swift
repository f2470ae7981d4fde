import VerbatimJSON
import NIOCore
import VerbatimTrace
import VerbatimAPI
import VerbatimSchema

/// What a turn's record states besides the captured data.
struct RecordDraft {
    /// The status sent to the agent; nil if none was.
    var status: Int?
    var isHeadSent = false
    /// The JSON text of an error of the proxy's own.
    var proxyError: [UInt8]?
    /// Problem codes for what could not be injected.
    var capabilityProblems: [ProblemCode] = []
    /// What the engine said when it rejected an injection.
    var refusals: [String] = []

    private let outcome: TurnOutcome
    /// The engine's status; nil if it did not reply.
    private let engineStatus: Int?
    /// The captured data come from a stream.
    private let hasStream: Bool
    /// A reply that was not streamed.
    private let replyBody: ByteBuffer?
    /// The parser has read ``replyBody``, and it is not an error.
    private let isReplyRead: Bool
    /// Why the reply went through unread.
    private let passedProblem: ProblemCode?
    private let latency: Double
    private let timeToFirstToken: Double?

    init(outcome: TurnOutcome, reply: borrowing ReplyRelay, timings: TurnTimings) {
        self.outcome = outcome
        engineStatus = reply.status
        hasStream = reply.hasStream
        replyBody = reply.wholeBody
        isReplyRead = reply.isWholeBodyRead
        passedProblem = reply.problem
        latency = timings.latency
        timeToFirstToken = timings.timeToFirstToken
    }

    /// The record, without the engine's name, which is added when the record is taken.
    func record(facts: TurnFacts, prepared: PreparedRequest, capture: Capture) -> TurnRecord {
        var capture = capture
        let isNotJSON = capture.problems.contains(ProblemCode.replyNotJSON)
        let isFailure = replyBody != nil && (!isReplyRead || isNotJSON)
        let isUnread = !hasStream && (proxyError != nil || passedProblem != nil)
        let isEmpty = !hasStream && replyBody == nil && capture.choices.isEmpty && outcome != .completed
        if isFailure || isUnread || isEmpty {
            let problems = isNotJSON ? [ProblemCode.replyNotJSON] : []
            capture = Capture()
            capture.problems = problems
            capture.response = JSONText(failure)
        }
        capture.note(capabilityProblems + [passedProblem].compactMap { $0 })
        if outcome != .completed || passedProblem != nil {
            capture.isComplete = false
            if hasStream && outcome != .upstreamError && outcome != .completed {
                capture.note([ProblemCode.replyCutOff])
            }
        }
        if hasStream && passedProblem != nil && outcome == .completed {
            // The stream's end came, but was not read.
            capture.problems.removeAll { $0 == ProblemCode.streamNotTerminated || $0 == ProblemCode.replyCutOff }
        }
        let isSatisfying =
            facts.policy.isSatisfied(by: capture.level, isComplete: capture.isComplete) && capture.hasKnownValues
        if outcome == .completed && facts.policy.requirement != nil && !isSatisfying && !hasNothing(capture) {
            capture.note([ProblemCode.belowRequirement])
            capture.isComplete = false
        }
        if outcome != .completed { capture.response = facts.secrets.masked(response: capture.response) }
        var record = TurnRecord(
            turn: facts.turn,
            sessionID: facts.identity.session,
            parentSessionID: facts.identity.parent,
            rolloutID: facts.rolloutID,
            retryOf: facts.retryOf,
            dialect: facts.api.rawValue,
            path: facts.path,
            isStream: prepared.isStream,
            refusals: refusals,
            outcome: outcome,
            status: status,
            isHeadSent: isHeadSent,
            request: prepared.content,
            response: capture.response,
            choices: capture.choices.map(ChoiceRecord.init),
            promptTokenIDs: capture.promptTokenIDs,
            usage: capture.usage,
            model: capture.model,
            responseID: capture.responseID,
            clientFields: prepared.clientFields.map { ClientField(name: $0.name, value: $0.value) },
            level: capture.level,
            isComplete: capture.isComplete,
            problems: capture.problems + facts.identity.problems,
            timestamp: facts.timestamp,
            latency: latency,
            timeToFirstToken: timeToFirstToken,
            includesLogprobs: facts.policy.detail.keepsEntries
        )
        record.requestedModel = prepared.model
        return record
    }

    /// The engine says that it has generated nothing.
    private func hasNothing(_ capture: Capture) -> Bool {
        guard let usage = capture.usage, let counts = try? JSONObject(document: usage.span) else { return false }
        let count = counts.value("completion_tokens", in: usage.span) ?? counts.value("output_tokens", in: usage.span)
        return count?.int(in: usage.span) == 0
    }

    /// `{"choices":[],"usage":null,"upstream_status":…,"upstream_error":…}`
    private var failure: [UInt8] {
        JSONWriter.bytes { json in
            json.object { json in
                json.array("choices") { _ in }
                json.member("usage", Int?.none)
                json.member("upstream_status", engineStatus)
                json.key("upstream_error")
                if let error = proxyError ?? replyBody.flatMap(errorObject) { json.raw(error) } else { json.null() }
            }
        }
    }

    /// Most bytes that are kept of a body that is not JSON.
    private static let textLimit = 64 << 10

    /// The body if it is a JSON object, else an object with its text; nil for a compressed body.
    private func errorObject(_ body: ByteBuffer) -> [UInt8]? {
        if passedProblem == ProblemCode.replyCompressed { return nil }
        let body = Array(body.readableBytesView)
        if (try? JSONObject(document: body.span, options: .nonFiniteNumbers)) != nil { return body }
        return JSONWriter.bytes { json in
            json.object { $0.member("error", String(decoding: body.prefix(Self.textLimit), as: UTF8.self)) }
        }
    }
}

extension ChoiceRecord {
    init(_ choice: Capture.Choice) {
        self.init(
            index: choice.index, logprobs: choice.logprobs, tokens: choice.tokens, tokenIDs: choice.tokenIDs,
            logprobValues: choice.logprobValues, finishReason: choice.finishReason,
            promptTokenIDs: choice.promptTokenIDs)
    }
}
