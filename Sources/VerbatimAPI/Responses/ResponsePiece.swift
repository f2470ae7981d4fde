import VerbatimJSON

/// What a delta of a response continues: a part in one of an item's lists, or a text of the item itself.
enum ResponsePieceKind: CaseIterable, Sendable {
    case text, refusal, reasoning, summary, audio, transcript, arguments, input, code

    /// Whether it is visible text, for which engines send log-probabilities.
    var isVisible: Bool { self == .text || self == .refusal }

    /// The member of the item that holds the piece.
    var member: StaticString {
        switch self {
        case .text, .refusal, .reasoning, .audio, .transcript: "content"
        case .summary: "summary"
        case .arguments: "arguments"
        case .input: "input"
        case .code: "code"
        }
    }

    /// The type of the part in a list; nil if the member of the item is the text.
    var partType: StaticString? {
        switch self {
        case .text: "output_text"
        case .refusal: "refusal"
        case .reasoning: "reasoning_text"
        case .summary: "summary_text"
        case .audio, .transcript: "output_audio"
        case .arguments, .input, .code: nil
        }
    }

    /// The member of the part that is the text.
    var partMember: StaticString {
        switch self {
        case .refusal: "refusal"
        case .audio: "data"
        case .transcript: "transcript"
        default: "text"
        }
    }

    /// The type of an item for which nothing but such deltas came.
    var itemType: StaticString {
        switch self {
        case .text, .refusal, .audio, .transcript: "message"
        case .reasoning, .summary: "reasoning"
        case .arguments: "function_call"
        case .input: "custom_tool_call"
        case .code: "code_interpreter_call"
        }
    }
}

/// A text of an item as far as it has come.
struct ResponsePiece: Sendable {
    let kind: ResponsePieceKind
    /// Its place in the item's list.
    let index: Int
    /// The deltas: a JSON string without its quotes.
    var deltas: [UInt8] = []
    /// The whole text, which the event after the deltas repeats: a JSON string without its quotes. Nil if it did not
    /// come or is empty.
    var whole: [UInt8]?

    /// Whether both came and differ.
    var isContradicted: Bool {
        guard let whole, !deltas.isEmpty else { return false }
        return ResponseItemTexts.differ(whole, deltas, kind: kind)
    }

    /// The text as a JSON string, if it continues `start`, which is the text with which it was announced.
    func text(after start: [UInt8]?) -> [UInt8] {
        var text: [UInt8] = [UInt8(ascii: "\"")]
        if let whole {
            text.append(contentsOf: whole)
        } else {
            if let start, start.first == UInt8(ascii: "\"") { text.append(contentsOf: start.dropFirst().dropLast()) }
            text.append(contentsOf: deltas)
        }
        text.append(UInt8(ascii: "\""))
        return text
    }
}
