package import VerbatimJSON
package import VerbatimSchema

/// Everything that the trace holds about one turn.
///
/// A `[UInt8]` is the JSON text of one value that a `JSONCursor` has scanned. The encoder normalizes white space, line
/// breaks, `NaN` and invalid UTF-8. Do not store text that was not scanned: a line break in it would split the record
/// over two lines.
package struct TurnRecord: Sendable {
    package var turn: Int
    package var sessionID: String
    package var parentSessionID: String?
    /// The root session. Not written: a sink that keeps rollouts apart needs it.
    package var rolloutID: String
    /// The turn of the first attempt at the same request, if this one repeats it.
    package var retryOf: Int?
    /// Earlier turns of the session that had no record when this one was written: if their records never follow, the
    /// proxy was killed.
    package var unfinishedTurns: [Int] = []
    package var dialect: String
    package var path: String
    package var isStream: Bool
    /// The name of the engine profile that was used.
    package var engine: String?
    /// How the profile was chosen.
    package var engineSource: String?
    /// The engine's messages when it refused the injection.
    package var refusals: [String]

    package var outcome: TurnOutcome
    /// The HTTP status sent to the agent.
    package var status: Int?
    /// Whether the head of a response has been sent to the agent. If not, and the record cannot be persisted, the agent
    /// gets a 503.
    package var isHeadSent: Bool

    /// The request body as forwarded to the engine. It may be large, so that the encoder puts it together, which does
    /// not run on an event loop.
    package var request: EditedText
    /// The model that the request names, for the log; empty if it names none.
    package var requestedModel = ""
    /// Why the agent got an error of the proxy's own, for the log.
    package var failure: String?
    /// The engine's reply, assembled from its events if it was streamed.
    package var response: JSONText
    package var choices: [ChoiceRecord]
    package var promptTokenIDs: [UInt8]?
    package var usage: [UInt8]?
    package var model: [UInt8]?
    package var responseID: [UInt8]?
    package var clientFields: [ClientField]

    package var level: CaptureLevel
    /// Whether the captured data passed every check that could be made.
    package var isComplete: Bool
    /// What went wrong while capturing.
    package var problems: [ProblemCode]

    /// Unix time of arrival, in seconds.
    package var timestamp: Double
    /// Seconds from sending the last attempt to receiving the engine's last byte.
    package var latency: Double
    /// Seconds from forwarding to the first event that carries output.
    package var timeToFirstToken: Double?
    /// Whether the field `logprobs` is written (not with `--trace-detail compact`).
    package var includesLogprobs: Bool

    package init(
        turn: Int,
        sessionID: String,
        parentSessionID: String? = nil,
        rolloutID: String? = nil,
        retryOf: Int? = nil,
        dialect: String,
        path: String,
        isStream: Bool,
        engine: String? = nil,
        engineSource: String? = nil,
        refusals: [String] = [],
        outcome: TurnOutcome,
        status: Int?,
        isHeadSent: Bool,
        request: EditedText,
        response: JSONText,
        choices: [ChoiceRecord] = [],
        promptTokenIDs: [UInt8]? = nil,
        usage: [UInt8]? = nil,
        model: [UInt8]? = nil,
        responseID: [UInt8]? = nil,
        clientFields: [ClientField] = [],
        level: CaptureLevel,
        isComplete: Bool,
        problems: [ProblemCode] = [],
        timestamp: Double,
        latency: Double,
        timeToFirstToken: Double? = nil,
        includesLogprobs: Bool = true
    ) {
        self.turn = turn
        self.sessionID = sessionID
        self.parentSessionID = parentSessionID
        self.rolloutID = rolloutID ?? sessionID
        self.retryOf = retryOf
        self.dialect = dialect
        self.path = path
        self.isStream = isStream
        self.engine = engine
        self.engineSource = engineSource
        self.refusals = refusals
        self.outcome = outcome
        self.status = status
        self.isHeadSent = isHeadSent
        self.request = request
        self.response = response
        self.choices = choices
        self.promptTokenIDs = promptTokenIDs
        self.usage = usage
        self.model = model
        self.responseID = responseID
        self.clientFields = clientFields
        self.level = level
        self.isComplete = isComplete
        self.problems = problems
        self.timestamp = timestamp
        self.latency = latency
        self.timeToFirstToken = timeToFirstToken
        self.includesLogprobs = includesLogprobs
    }
}

/// The captured data of one choice.
package struct ChoiceRecord: Sendable {
    package var index: Int
    /// The elements of `logprobs.content` as sent.
    package var logprobs: JSONList?
    /// The texts of the tokens: JSON strings.
    package var tokens: JSONList
    package var tokenIDs: JSONList
    /// The log-probabilities of the tokens: numbers, or `null` where unknown.
    package var logprobValues: JSONList
    /// JSON text of the finish reason.
    package var finishReason: [UInt8]?
    /// JSON text of the prompt ids, from engines that send them with each choice.
    package var promptTokenIDs: [UInt8]?

    package init(
        index: Int = 0,
        logprobs: JSONList? = nil,
        tokens: JSONList = JSONList(),
        tokenIDs: JSONList = JSONList(),
        logprobValues: JSONList = JSONList(),
        finishReason: [UInt8]? = nil,
        promptTokenIDs: [UInt8]? = nil
    ) {
        self.index = index
        self.logprobs = logprobs
        self.tokens = tokens
        self.tokenIDs = tokenIDs
        self.logprobValues = logprobValues
        self.finishReason = finishReason
        self.promptTokenIDs = promptTokenIDs
    }
}

/// A field of the request that was injected or changed, and the agent's original value.
package struct ClientField: Sendable {
    /// The field's name, or the dotted path of a nested field.
    package var name: String
    /// The JSON text that the agent sent; nil if it sent none.
    package var value: [UInt8]?

    package init(name: String, value: [UInt8]?) {
        self.name = name
        self.value = value
    }
}

extension TurnRecord {
    /// The memory that the record uses, in bytes: exact for the parts that can be large, estimated for the rest.
    var estimatedSize: Int {
        var size = 1024 + request.count + response.count + path.utf8.count + sessionID.utf8.count + rolloutID.utf8.count
        size += (parentSessionID?.utf8.count ?? 0) + (engine?.utf8.count ?? 0)
        for text in [promptTokenIDs, usage, model, responseID] { size += text?.count ?? 0 }
        for text in refusals { size += text.utf8.count + 32 }
        for code in problems { size += code.rawValue.utf8.count + 32 }
        for field in clientFields { size += field.name.utf8.count + (field.value?.count ?? 0) + 64 }
        for choice in choices { size += choice.estimatedSize }
        return size
    }

    /// Notes that the record could not be written when its turn ended, and the status that the agent got instead.
    package mutating func markWriteFailed() {
        isComplete = false
        if !problems.contains(ProblemCode.traceWriteFailed) { problems.append(ProblemCode.traceWriteFailed) }
        if !isHeadSent { status = 503 }
    }
}

extension ChoiceRecord {
    fileprivate var estimatedSize: Int {
        var size = 256 + tokens.rope.count + tokenIDs.rope.count + logprobValues.rope.count
        size += logprobs?.rope.count ?? 0
        for text in [finishReason, promptTokenIDs] { size += text?.count ?? 0 }
        return size
    }
}
