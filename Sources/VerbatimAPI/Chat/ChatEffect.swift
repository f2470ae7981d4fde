import VerbatimJSON

/// One change that an event makes to what has been captured of a chat completion or a completion.
///
/// `choice` is the place of a choice in ``ChatReply/choices``, and `field` that of a field in its message.
enum ChatEffect: ReplayableEffect {
    case beginEvent
    /// Sets a field of the reply beside its choices.
    case setField(JSONString, JSONValue)
    /// Sets a field of the choice beside its message or text and its token data.
    case setChoiceField(choice: Int, JSONString, JSONValue)
    case addMessageField(choice: Int, JSONString)
    case setMessageField(choice: Int, field: Int, JSONValue)
    case appendMessageText(choice: Int, field: Int, JSONValue)
    /// Appends to the text of a completion.
    case appendText(choice: Int, JSONValue)
    case changeTokens(choice: Int, TokenEffect)
    case setPromptIDs(choice: Int, JSONValue)
    case setPromptLength(choice: Int, Int)
    /// The engine's own count of the tokens.
    case setTokenCount(choice: Int, Int)
    case endInstalment(choice: Int)

    func forEachSource(_ body: (Range<Int>) -> Void) {
        switch self {
        case .setField(let key, let value), .setChoiceField(_, let key, let value):
            body(key.quoted)
            body(value.range)
        case .addMessageField(_, let key): body(key.quoted)
        case .setMessageField(_, _, let value), .appendMessageText(_, _, let value), .appendText(_, let value),
            .setPromptIDs(_, let value):
            body(value.range)
        case .changeTokens(_, let effect): effect.forEachSource(body)
        case .beginEvent, .setPromptLength, .setTokenCount, .endInstalment: break
        }
    }

    func forEachVariable(_ body: (VariableValue) -> Void) {
        switch self {
        case .setField(_, let value):
            if value.kind == .string || value.kind == .number { body(VariableValue(range: value.range)) }
        case .appendMessageText(_, _, let value), .appendText(_, let value):
            // Whether an event has any text may decide whether it is dropped.
            if value.range.count > 2 { body(VariableValue(range: value.range, isNonEmpty: true)) }
        case .changeTokens(_, let effect): effect.forEachVariable(body)
        case .beginEvent, .setChoiceField, .addMessageField, .setMessageField, .setPromptIDs, .setPromptLength,
            .setTokenCount, .endInstalment:
            break
        }
    }

    @inline(__always)
    func moved(to sources: inout SourceLocator) -> ChatEffect {
        func key() -> JSONString { JSONString(quoted: sources.next(), hasEscapes: true) }
        switch self {
        case .setField(_, let value): return .setField(key(), sources.next(value.kind))
        case .setChoiceField(let choice, _, let value):
            return .setChoiceField(choice: choice, key(), sources.next(value.kind))
        case .addMessageField(let choice, _): return .addMessageField(choice: choice, key())
        case .setMessageField(let choice, let field, let value):
            return .setMessageField(choice: choice, field: field, sources.next(value.kind))
        case .appendMessageText(let choice, let field, let value):
            return .appendMessageText(choice: choice, field: field, sources.next(value.kind))
        case .appendText(let choice, let value): return .appendText(choice: choice, sources.next(value.kind))
        case .changeTokens(let choice, let effect):
            return .changeTokens(choice: choice, effect.moved(to: &sources))
        case .setPromptIDs(let choice, let value):
            return .setPromptIDs(choice: choice, sources.next(value.kind))
        case .beginEvent, .setPromptLength, .setTokenCount, .endInstalment: return self
        }
    }
}
