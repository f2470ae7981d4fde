import VerbatimJSON

/// What has been captured of a response so far.
struct ResponsesReply: Sendable {
    /// Whether a response, or a part of one, has come.
    private(set) var hasBegun = false
    private(set) var tokens: TokenCollector
    private(set) var promptTokenIDs: [UInt8]?
    /// The fields of the response that a record names: `id`, `model`, `status`, `incomplete_details`, `usage`.
    private(set) var fields = DeltaAccumulator()
    /// The member `response` of the last event that had one.
    private(set) var lastResponse: [UInt8]?
    /// The output received so far, until ``lastResponse`` has all of it.
    private(set) var items = ResponseItems()
    /// Whether ``lastResponse`` is the terminal event's.
    private(set) var hasEnded = false
    /// Whether more was generated than visible text: reasoning or tool calls.
    private(set) var hasHiddenParts = false
    /// The length of the visible text, in bytes of its JSON form.
    private(set) var visibleLength = 0
    private var textLosses: JSONNormalizer.Losses = []

    /// - Parameter keepsEntries: Whether the entries of log-probabilities are kept as sent.
    init(keepsEntries: Bool) { tokens = TokenCollector(keepsEntries: keepsEntries) }

    var losses: JSONNormalizer.Losses { tokens.losses.union(fields.losses).union(textLosses) }

    mutating func begin() { hasBegun = true }

    // MARK: Fields

    mutating func beginFields() { fields.beginInstalment() }

    /// Sets a field that a record names. Any other field is ignored.
    mutating func setField(_ key: JSONString, _ value: JSONValue, of text: Span<UInt8>) {
        let names: [StaticString] = ["id", "model", "status", "usage", "incomplete_details"]
        if names.contains(where: { key.equals($0, in: text) }) { fields.set(key, value, of: text) }
    }

    // MARK: Output

    /// Takes the member `response` of an event.
    ///
    /// - Parameter removed: Splices that remove what a record omits.
    mutating func take(response: JSONValue, of text: Span<UInt8>, without removed: JSONEdits, isFinal: Bool) {
        hasBegun = true
        lastResponse = copy(of: response, of: text, without: removed)
        if isFinal {
            hasEnded = true
            items = ResponseItems()
        }
    }

    mutating func take(
        item: JSONValue, of text: Span<UInt8>, without removed: JSONEdits, isDone: Bool, at place: ResponseItems.Place
    ) {
        items.put(copy(of: item, of: text, without: removed), isDone: isDone, at: place, of: text)
    }

    mutating func append(
        _ delta: JSONString, to piece: ResponseItems.PieceKind, index: Int, at place: ResponseItems.Place,
        of text: Span<UInt8>
    ) {
        if piece.isVisible { visibleLength += delta.content.count } else { hasHiddenParts = true }
        textLosses.formUnion(items.append(delta, to: piece, index: index, at: place, of: text))
    }

    mutating func noteHiddenPart() { hasHiddenParts = true }

    private mutating func copy(of value: JSONValue, of text: Span<UInt8>, without removed: JSONEdits) -> [UInt8] {
        if removed.isEmpty { return JSONNormalizer.normalized(value.range, of: text, losses: &textLosses) }
        var removed = removed
        let start = value.range.lowerBound
        removed.relocate { $0.lowerBound - start..<$0.upperBound - start }
        let copy = removed.applied(to: text.extracting(value.range))
        return JSONNormalizer.normalized(copy.indices, of: copy.span, losses: &textLosses)
    }

    // MARK: Token data

    mutating func apply(_ effect: TokenEffect, of text: Span<UInt8>, isNormal: Bool) {
        tokens.apply(effect, of: text, isNormal: isNormal)
    }

    mutating func appendTokenIDs(_ list: JSONValue, of text: Span<UInt8>) throws(JSONError) {
        try tokens.appendWholeIDs(list, of: text)
    }

    mutating func setPromptTokenIDs(_ list: JSONValue, of text: Span<UInt8>) {
        promptTokenIDs = JSONNormalizer.normalized(list.range, of: text)
    }
}
