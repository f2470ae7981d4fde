import VerbatimJSON
public import VerbatimSchema

/// One record of a trace: an exchange between an agent and an engine, with its captured data.
///
/// Records of the earlier Python proxy, which have fewer fields, can be read too. Then ``sessionID`` is `default`,
/// ``dialect`` is `chat.completions`, and outcome and capture level are derived from the other fields.
public struct Turn: Hashable, Sendable {
    /// The line of the trace, without its line break.
    public let json: [UInt8]

    /// 1, 2, … in order of arrival in its session.
    public let number: Int
    public let sessionID: String
    /// The session that started this one, of a sub-agent.
    public let parentSessionID: String?
    /// The turn of the first attempt at the same request, if this one repeats it.
    public let retryOf: Int?

    /// The API: `chat.completions`, `completions`, `responses` or `messages`.
    public let dialect: String
    /// The path of the request.
    public let path: String
    /// Whether the reply was streamed.
    public let isStream: Bool
    /// The engine profile that was in force.
    public let engine: String?
    /// How the profile was chosen: `setting`, `host`, `header`, `models`, `reply` or `refusal`.
    public let engineSource: String?
    /// The engine's messages when it refused the injection.
    public let refusals: [String]

    public let outcome: TurnOutcome
    /// The HTTP status sent to the agent; nil if the agent had left.
    public let status: Int?
    /// The model's name in the reply.
    public let model: String?
    /// The reply's `id`.
    public let responseID: String?

    /// The captured data of each choice; at least one.
    public let choices: [TurnChoice]
    /// The token ids of the prompt; nil if the engine sent none.
    public let promptTokenIDs: [Int]?
    /// The engine's count of prompt tokens.
    public let promptTokenCount: Int?
    /// The engine's count of completion tokens, over all choices.
    public let completionTokenCount: Int?

    public let captureLevel: CaptureLevel
    /// Whether the captured data passed every check that could be made.
    public let isCaptureComplete: Bool
    /// What went wrong while capturing.
    public let captureProblems: [ProblemCode]

    /// Unix time of arrival, in seconds.
    public let timestamp: Double
    /// Seconds from forwarding to the engine's last byte.
    public let latency: Double
    /// Seconds from forwarding to the first event that carried output.
    public let timeToFirstToken: Double?

    private let request: Range<Int>?
    private let response: Range<Int>?

    /// The tokens of the first choice.
    public var completionTokens: [String] { firstChoice?.completionTokens ?? [] }
    /// The token ids of the first choice; empty if the engine sent none.
    public var completionTokenIDs: [Int] { firstChoice?.completionTokenIDs ?? [] }
    /// The log-probabilities of the first choice's tokens, natural logarithms; empty if the engine sent none.
    public var perTokenLogprobs: [Double?] { firstChoice?.perTokenLogprobs ?? [] }
    /// Why the first choice ended, in the engine's words.
    public var finishReason: String? { firstChoice?.finishReason }

    /// The body that was forwarded to the engine: JSON text.
    public var requestJSON: [UInt8] { request.map { Array(json[$0]) } ?? Array("null".utf8) }
    /// The engine's reply, assembled from its events if it was streamed: JSON text.
    public var responseJSON: [UInt8] { response.map { Array(json[$0]) } ?? Array("null".utf8) }

    private var firstChoice: TurnChoice? { choices.first { $0.index == 0 } ?? choices.first }

    /// Parses one line of a trace.
    ///
    /// - Throws: ``TraceReaderError`` with the code `invalid_record`.
    public init(json: [UInt8]) throws(TraceReaderError) {
        let text = json.span
        let record: JSONObject
        do throws(JSONError) {
            guard let object = try JSONObject(document: text, options: .trace) else {
                throw JSONError(.unexpectedByte, at: 0)
            }
            record = object
        } catch {
            throw TraceReaderError(.invalidRecord, "not a JSON object: \(error)", cause: error)
        }
        guard let turn = record.value("turn", in: text)?.int(in: text) else {
            throw TraceReaderError(.invalidRecord, "not a record of a turn: 'turn' is not an integer")
        }
        func string(_ name: StaticString) -> String? { record.value(name, in: text)?.string(in: text) }
        func number(_ name: StaticString) -> Double? { record.value(name, in: text)?.double(in: text) }
        let request = record.value("request", in: text)
        let response = record.value("response", in: text)
        let requestObject = request?.object(in: text)
        let responseObject = response?.object(in: text)
        let upstreamError = responseObject?.value("upstream_error", in: text)
        let usage = (record.value("usage", in: text) ?? responseObject?.value("usage", in: text))?.object(in: text)
        let flatChoice = TurnChoice(record, index: 0, in: text)

        self.json = json
        self.number = turn
        self.request = request?.range
        self.response = response?.range
        sessionID = string("session_id") ?? RecordSchema.defaultSession
        parentSessionID = string("parent_session_id")
        retryOf = record.value("retry_of", in: text)?.int(in: text)
        dialect = string("dialect") ?? "chat.completions"
        path = string("path") ?? "/v1/chat/completions"
        isStream = (record.value("stream", in: text) ?? requestObject?.value("stream", in: text))?.kind == .true
        engine = string("engine")
        engineSource = string("engine_source")
        refusals = record.value("refusals", in: text)?.elements(in: text)?.compactMap { $0.string(in: text) } ?? []
        outcome =
            string("outcome").map { TurnOutcome(rawValue: $0) }
            ?? (upstreamError.map { !$0.isNull } ?? false ? .upstreamError : .completed)
        status =
            (record.value("status", in: text) ?? responseObject?.value("upstream_status", in: text))?.int(in: text)
        model = string("model") ?? responseObject?.value("model", in: text)?.string(in: text)
        responseID = string("response_id") ?? responseObject?.value("id", in: text)?.string(in: text)
        choices = Self.choices(of: record, in: text) ?? [flatChoice]
        promptTokenIDs = Self.integers(record.value("prompt_token_ids", in: text), in: text)
        // The responses and messages APIs use other names.
        promptTokenCount =
            (usage?.value("prompt_tokens", in: text) ?? usage?.value("input_tokens", in: text))?.int(in: text)
        completionTokenCount =
            (usage?.value("completion_tokens", in: text) ?? usage?.value("output_tokens", in: text))?.int(in: text)

        let capture = record.value("capture", in: text)?.object(in: text)
        captureLevel =
            capture?.value("level", in: text)?.string(in: text).map { CaptureLevel(rawValue: $0) }
            ?? flatChoice.captureLevel
        isCaptureComplete =
            capture.map { $0.value("complete", in: text)?.kind == .true } ?? flatChoice.hasAlignedTokens
        captureProblems =
            capture?.value("problems", in: text)?.elements(in: text)?
            .compactMap { $0.string(in: text).map(ProblemCode.init(rawValue:)) } ?? []
        timestamp = number("timestamp") ?? 0
        latency = number("latency_s") ?? 0
        timeToFirstToken = number("ttft_s")
    }

    private static func choices(of record: JSONObject, in text: Span<UInt8>) -> [TurnChoice]? {
        guard let elements = record.value("choices", in: text)?.elements(in: text), !elements.isEmpty else {
            return nil
        }
        return elements.enumerated().compactMap { position, element in
            guard let object = element.object(in: text) else { return nil }
            return TurnChoice(object, index: object.value("index", in: text)?.int(in: text) ?? position, in: text)
        }
    }

    private static func integers(_ array: JSONValue?, in text: Span<UInt8>) -> [Int]? {
        guard let elements = array?.elements(in: text) else { return nil }
        let integers = elements.compactMap { $0.int(in: text) }
        return integers.count == elements.count ? integers : nil
    }
}

extension TurnChoice {
    /// The level of a record that does not state it.
    fileprivate var captureLevel: CaptureLevel {
        switch (completionTokenIDs.isEmpty, perTokenLogprobs.isEmpty) {
        case (false, false): .tokens
        case (false, true): .ids
        case (true, false): .logprobs
        case (true, true): .text
        }
    }

    fileprivate var hasAlignedTokens: Bool {
        !completionTokenIDs.isEmpty && completionTokenIDs.count == perTokenLogprobs.count
            && completionTokenIDs.count == completionTokens.count
    }
}
