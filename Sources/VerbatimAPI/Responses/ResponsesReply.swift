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
    /// The output received so far, until the response has ended.
    private(set) var items = ResponseItems()
    /// Whether ``lastResponse`` is the terminal event's, completed by what came before.
    private(set) var hasEnded = false
    /// The status that the type of the terminal event states.
    private(set) var finalStatus: StaticString?
    /// Whether there is any item with something in it.
    private(set) var hasContent = false
    /// Whether texts that came twice differ.
    private(set) var isContradicted = false
    /// Whether the output has items that never were sent as a whole.
    private(set) var hasUnfinishedItems = false
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
        let response = copy(of: response, of: text, without: removed)
        // An end that comes again, and says less, does not take away what there is.
        if hasEnded && !(isFinal && response.hasOutput) { return }
        lastResponse = response
    }

    /// Ends the response with an event that states this status.
    mutating func end(as status: StaticString) {
        hasBegun = true
        finalStatus = status
        let output = ResponseOutput(of: response, items: items, isFinal: true)
        hasEnded = true
        isContradicted = isContradicted || items.isContradicted || output.isContradicted
        hasUnfinishedItems = hasUnfinishedItems || output.hasUnfinishedItems
        if let json = output.json {
            // The items are kept in case that the stream ends a second time.
            setOutput(json)
        } else {
            items = ResponseItems()
        }
    }

    /// The response with all the output that has come.
    var assembled: [UInt8] {
        if hasEnded { return response }
        var response = response
        let output = ResponseOutput(of: response, items: items, isFinal: false)
        if let json = output.json { response.set([("output", json)]) }
        return response
    }

    private var response: [UInt8] { lastResponse ?? Array(#"{"object":"response"}"#.utf8) }

    private mutating func setOutput(_ output: [UInt8]) {
        var response = response
        response.set([("output", output)])
        lastResponse = response
    }

    mutating func take(
        item: JSONValue, of text: Span<UInt8>, without removed: JSONEdits, isDone: Bool, at place: ResponseItems.Place
    ) {
        items.put(copy(of: item, of: text, without: removed), isDone: isDone, at: place, of: text)
    }

    mutating func take(
        part: JSONValue, of text: Span<UInt8>, without removed: JSONEdits, in list: StaticString, index: Int,
        isDone: Bool, at place: ResponseItems.Place
    ) {
        hasContent = true
        items.put(
            part: copy(of: part, of: text, without: removed), in: list, index: index, isDone: isDone, at: place,
            of: text)
    }

    mutating func take(
        annotation: JSONValue, index: Int, at place: ResponseItems.Place, of text: Span<UInt8>
    ) {
        textLosses.formUnion(items.put(annotation: annotation, index: index, at: place, of: text))
    }

    /// Takes a text as a whole, after its deltas.
    mutating func take(
        whole: JSONString, as piece: ResponsePieceKind, index: Int, name: JSONValue?, at place: ResponseItems.Place,
        of text: Span<UInt8>
    ) {
        hasContent = true
        textLosses.formUnion(items.put(whole, as: piece, index: index, name: name, at: place, of: text))
    }

    mutating func append(
        _ delta: JSONString, to piece: ResponsePieceKind, index: Int, at place: ResponseItems.Place,
        of text: Span<UInt8>
    ) {
        hasContent = true
        if piece.isVisible { visibleLength += delta.content.count } else { hasHiddenParts = true }
        textLosses.formUnion(items.append(delta, to: piece, index: index, at: place, of: text))
    }

    mutating func noteHiddenPart() { hasHiddenParts = true }

    mutating func noteContent() { hasContent = true }

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

extension [UInt8] {
    /// Whether the response whose JSON text this is has any output.
    fileprivate var hasOutput: Bool {
        guard let object = try? JSONObject(document: span), let output = object.value("output", in: span) else {
            return false
        }
        return output.kind == .array && !output.isBlank(in: span)
    }
}
