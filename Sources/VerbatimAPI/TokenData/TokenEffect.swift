import VerbatimJSON

/// What a log-probability entry says of its token. An element that is not an object says nothing, but counts as a
/// token.
struct TokenEntry: Sendable {
    var token: JSONString?
    var value: JSONValue?
    var id: JSONValue?
    /// The bytes of a token that came without its text.
    var bytes: JSONValue?
}

/// The lists of entries in the object `logprobs`.
enum TokenPart: Sendable { case content, refusal, reasoning }

/// The lists in which a completion has its tokens and log-probabilities; `nil` for those that are not arrays.
struct TokenLists: Sendable {
    var tokens: JSONValue?
    var values: JSONValue?
    var textOffsets: JSONValue?
    var alternatives: JSONValue?

    var hasAny: Bool { tokens != nil || textOffsets != nil || alternatives != nil }

    fileprivate var all: [JSONValue] { [tokens, values, textOffsets, alternatives].compactMap(\.self) }
}

/// One change to the collected tokens of a choice.
enum TokenEffect: ReplayableEffect {
    /// A list of entries begins.
    case beginEntries
    case appendEntry(TokenEntry)
    /// The list ends. `elements`: from the first entry to the last.
    case endEntries(list: JSONValue, elements: Range<Int>, count: Int, part: TokenPart)
    case appendLists(TokenLists)
    /// Ids in a list of their own, one for each token.
    case appendIDs(JSONValue)
    /// An event or a body has been read.
    case endInstalment

    func forEachSource(_ body: (Range<Int>) -> Void) {
        switch self {
        case .beginEntries, .endInstalment: break
        case .appendEntry(let entry):
            if let token = entry.token { body(token.quoted) }
            if let value = entry.value { body(value.range) }
            if let id = entry.id { body(id.range) }
            if let bytes = entry.bytes { body(bytes.range) }
        case .endEntries(let list, let elements, _, _):
            body(list.range)
            body(elements)
        case .appendLists(let lists): for list in lists.all { body(list.range) }
        case .appendIDs(let list): body(list.range)
        }
    }

    func forEachVariable(_ body: (VariableValue) -> Void) {
        switch self {
        // The values of an entry are in the list.
        case .beginEntries, .appendEntry, .endInstalment: break
        case .endEntries(let list, _, _, _): body(VariableValue(range: list.range))
        case .appendLists(let lists): for list in lists.all { body(VariableValue(range: list.range)) }
        case .appendIDs(let list): body(VariableValue(range: list.range))
        }
    }

    @inline(__always)
    func moved(to sources: inout SourceLocator) -> TokenEffect {
        switch self {
        case .beginEntries, .endInstalment: return self
        case .appendEntry(let entry):
            var moved = TokenEntry()
            if entry.token != nil { moved.token = JSONString(quoted: sources.next(), hasEscapes: true) }
            if let value = entry.value { moved.value = sources.next(value.kind) }
            if let id = entry.id { moved.id = sources.next(id.kind) }
            if let bytes = entry.bytes { moved.bytes = sources.next(bytes.kind) }
            return .appendEntry(moved)
        case .endEntries(let list, _, let count, let part):
            return .endEntries(list: sources.next(list.kind), elements: sources.next(), count: count, part: part)
        case .appendLists(let lists):
            func next(_ list: JSONValue?) -> JSONValue? { list.map { sources.next($0.kind) } }
            return .appendLists(
                TokenLists(
                    tokens: next(lists.tokens), values: next(lists.values), textOffsets: next(lists.textOffsets),
                    alternatives: next(lists.alternatives)))
        case .appendIDs(let list): return .appendIDs(sources.next(list.kind))
        }
    }
}
