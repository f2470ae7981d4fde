import VerbatimJSON

/// The members of one event of a response's stream.
///
/// `{"type":"response.output_text.delta","sequence_number":4,"item_id":"msg_1","output_index":0,"content_index":0,
/// "delta":"Hi","logprobs":[…]}`. vLLM sends `type` last; llama.cpp sends neither numbers nor indices.
struct ResponseEvent {
    /// The types of events that are captured or restored.
    enum Kind: String {
        // The most frequent first: a name is compared with them in this order.
        case textDelta = "response.output_text.delta"
        case argumentsDelta = "response.function_call_arguments.delta"
        case reasoningDelta = "response.reasoning_text.delta"
        case summaryDelta = "response.reasoning_summary_text.delta"
        case inputDelta = "response.custom_tool_call_input.delta"
        case codeDelta = "response.code_interpreter_call_code.delta"
        case remoteArgumentsDelta = "response.mcp_call_arguments.delta"
        case refusalDelta = "response.refusal.delta"
        case audioDelta = "response.audio.delta"
        case transcriptDelta = "response.audio.transcript.delta"
        case olderReasoningDelta = "response.reasoning.delta"
        case olderSummaryDelta = "response.reasoning_summary.delta"
        case itemAdded = "response.output_item.added"
        case itemDone = "response.output_item.done"
        case partAdded = "response.content_part.added"
        case partDone = "response.content_part.done"
        case summaryPartAdded = "response.reasoning_summary_part.added"
        case summaryPartDone = "response.reasoning_summary_part.done"
        case textDone = "response.output_text.done"
        case argumentsDone = "response.function_call_arguments.done"
        case reasoningDone = "response.reasoning_text.done"
        case summaryDone = "response.reasoning_summary_text.done"
        case inputDone = "response.custom_tool_call_input.done"
        case codeDone = "response.code_interpreter_call_code.done"
        case remoteArgumentsDone = "response.mcp_call_arguments.done"
        case refusalDone = "response.refusal.done"
        case olderReasoningDone = "response.reasoning.done"
        case olderSummaryDone = "response.reasoning_summary.done"
        case annotationAdded = "response.output_text.annotation.added"
        case created = "response.created"
        case queued = "response.queued"
        case inProgress = "response.in_progress"
        case completed = "response.completed"
        case incomplete = "response.incomplete"
        case failed = "response.failed"
        case cancelled = "response.cancelled"
        case error

        init?(_ type: JSONValue?, in text: Span<UInt8>) {
            guard let name = type?.string(in: text), let kind = Kind(rawValue: name) else { return nil }
            self = kind
        }

        var isTerminal: Bool { status != nil }

        /// The status of a response that ends with this event; nil for any other event.
        var status: StaticString? {
            switch self {
            case .completed: "completed"
            case .incomplete: "incomplete"
            case .failed: "failed"
            case .cancelled: "cancelled"
            default: nil
            }
        }

        /// What a delta continues, or what the event at its end has as a whole; nil for any other event.
        var piece: ResponsePieceKind? {
            switch self {
            case .textDelta, .textDone: .text
            case .refusalDelta, .refusalDone: .refusal
            case .reasoningDelta, .reasoningDone, .olderReasoningDelta, .olderReasoningDone: .reasoning
            case .summaryDelta, .summaryDone, .olderSummaryDelta, .olderSummaryDone: .summary
            case .argumentsDelta, .argumentsDone, .remoteArgumentsDelta, .remoteArgumentsDone: .arguments
            case .inputDelta, .inputDone: .input
            case .codeDelta, .codeDone: .code
            case .audioDelta: .audio
            case .transcriptDelta: .transcript
            default: nil
            }
        }

        /// The list of the event's part; nil for any other event.
        var partList: StaticString? {
            switch self {
            case .partAdded, .partDone: "content"
            case .summaryPartAdded, .summaryPartDone: "summary"
            default: nil
            }
        }
    }

    let range: Range<Int>
    private(set) var kind: Kind?
    private(set) var type: JSONValue?
    private(set) var number: Int?
    private(set) var response: JSONValue?
    private(set) var item: JSONValue?
    private(set) var part: JSONValue?
    private(set) var delta: JSONValue?
    /// What ends the deltas: `text`, `refusal`, `arguments`, `input` or `code`.
    private(set) var whole: JSONValue?
    private(set) var annotation: JSONValue?
    /// The name of a call, beside its arguments.
    private(set) var name: JSONValue?
    private(set) var logprobs: JSONValue?
    private(set) var error: JSONValue?
    private(set) var itemID: JSONValue?
    private(set) var outputIndex: Int?
    /// `content_index` or `summary_index`.
    private(set) var pieceIndex = 0

    init(_ object: JSONObject, of text: Span<UInt8>) {
        range = object.range
        for member in object.members {
            let (key, value) = (member.key, member.value)
            if key.equals("type", in: text) {
                type = value
            } else if key.equals("delta", in: text) {
                delta = value
            } else if key.equals("logprobs", in: text) {
                logprobs = value
            } else if key.equals("item_id", in: text) {
                itemID = value
            } else if key.equals("output_index", in: text) {
                outputIndex = value.int(in: text)
            } else if key.equals("content_index", in: text) || key.equals("summary_index", in: text) {
                pieceIndex = value.int(in: text) ?? 0
            } else if key.equals("sequence_number", in: text) {
                number = value.int(in: text)
            } else if key.equals("item", in: text) {
                item = value
            } else if key.equals("part", in: text) {
                part = value
            } else if key.equals("response", in: text) {
                response = value
            } else if key.equals("error", in: text) {
                error = value
            } else if key.equals("annotation", in: text) {
                annotation = value
            } else if key.equals("name", in: text) {
                name = value
            } else if Self.wholes.contains(where: { key.equals($0, in: text) }) {
                whole = value
            }
        }
        kind = Kind(type, in: text)
    }

    private static let wholes: [StaticString] = ["text", "arguments", "refusal", "input", "code"]

    /// Reads the kind of an event and nothing else.
    static func kind(of document: Span<UInt8>) throws(JSONError) -> Kind? {
        var cursor = JSONCursor(options: .nonFiniteNumbers)
        guard try cursor.peekKind(in: document) == .object else { return nil }
        try cursor.enterObject(in: document)
        while let key = try cursor.nextKey(in: document) {
            let isType = key.equals("type", in: document)
            let value = try cursor.skipValue(in: document)
            if isType { return Kind(value, in: document) }
        }
        return nil
    }
}
