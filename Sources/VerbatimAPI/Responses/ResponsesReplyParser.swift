import VerbatimJSON
import VerbatimSchema

/// Reads the reply to a request to `/responses`, streamed or not.
///
/// Log-probabilities come with the deltas of the text and again in what ends a part, an item and the response; they are
/// captured once. vLLM sends ids at the end, in `output_messages` and `input_messages`
/// (`entrypoints/openai/responses/protocol.py`).
struct ResponsesReplyParser: ReplyParser {
    var state: ReplyState
    let echoes: ResponseEchoes

    /// Whether a response, or a part of one, has been seen.
    var hasBegun = false
    var tokens: TokenCapture
    var promptTokenIDs: [UInt8]?
    /// What is kept of the response's own fields: `id`, `model`, `status`, `incomplete_details`, `usage`.
    var fields = FieldBag()
    /// The member `response` of the event that had one last.
    var lastResponse: [UInt8]?
    /// What came of the output, until ``lastResponse`` has it all.
    var items = ResponseItems()
    /// Whether ``lastResponse`` is the terminal event's.
    var hasEnded = false
    var losses: JSONNormalizer.Losses = []
    /// Whether more was generated than visible text: reasoning or calls of tools.
    var hasHiddenParts = false
    /// The length of the visible text, in bytes of its JSON form.
    var visibleLength = 0
    private var numbers = EventNumbers()

    init(_ state: ReplyState, echoes: ResponseEchoes) {
        self.state = state
        self.echoes = echoes
        tokens = TokenCapture(state.policy)
    }

    package mutating func read(
        document text: Span<UInt8>, with start: JSONCursor
    ) throws(JSONError) -> EventDisposition {
        var cursor = start
        if state.isWhole {
            try readWhole(text, with: &cursor)
            return .passThrough
        }
        guard let object = try JSONObject(with: &cursor, in: text) else { return .passThrough }
        let event = ResponseEvent(object, of: text)
        let isRepeated = event.number.map { numbers.hasSeen($0, event.kind) } ?? false
        if isRepeated { state.note(ProblemCode.duplicateEvent) }
        try read(event, of: text, isCaptured: !isRepeated)
        noteError(of: event, in: text)
        guard event.kind?.isTerminal ?? false else { return .passThrough }
        state.isTerminated = true
        return .terminal
    }

    package func isTerminal(document: Span<UInt8>) -> Bool {
        (try? ResponseEvent.kind(of: document))?.isTerminal ?? false
    }

    /// OpenAI's event `error` has the error's members itself; others nest them.
    private mutating func noteError(of event: ResponseEvent, in text: Span<UInt8>) {
        if let error = event.error { state.noteError(error, of: text) }
        if state.error != nil { return }
        if event.kind == .error { state.noteError(JSONValue(kind: .object, range: event.range), of: text) }
        // vLLM's responses have no `error`.
        if event.kind == .failed, let type = event.type { state.noteError(type, of: text) }
    }

    // MARK: Events

    private mutating func read(
        _ event: ResponseEvent, of text: Span<UInt8>, isCaptured: Bool
    ) throws(JSONError) {
        if let response = event.response, response.kind == .object {
            try readResponse(response, of: text, isFinal: event.kind?.isTerminal ?? false, isCaptured: isCaptured)
        }
        if let item = event.item, item.kind == .object {
            try readItem(item, of: event, in: text, isCaptured: isCaptured)
        }
        if let part = event.part {
            var visit = ResponseVisit()
            visit.offForm = event.kind == .partAdded ? .emptyArray : offForm
            var cursor = JSONCursor(at: part.range.lowerBound, options: .nonFiniteNumbers)
            try readPart(with: &cursor, of: text, visit: &visit)
        }
        if let logprobs = event.logprobs {
            var visit = ResponseVisit()
            visit.offForm = .emptyArray
            visit.readsEntries = isCaptured && event.kind == .textDelta
            var cursor = JSONCursor(at: logprobs.range.lowerBound, options: .nonFiniteNumbers)
            try readLogprobs(with: &cursor, of: text, visit: visit)
            if tokens.count > 0 { state.hasOutput = true }
        }
        if isCaptured, let delta = event.delta, delta.kind == .string, let piece = event.kind?.piece {
            read(delta, to: piece, of: event, in: text)
        }
    }

    private mutating func read(
        _ delta: JSONValue, to piece: ResponseItems.PieceKind, of event: ResponseEvent, in text: Span<UInt8>
    ) {
        hasBegun = true
        let delta = JSONString(quoted: delta.range, hasEscapes: true)
        if delta.content.isEmpty { return }
        state.hasOutput = true
        if piece.isVisible { visibleLength += delta.content.count } else { hasHiddenParts = true }
        let place = ResponseItems.Place(index: event.outputIndex, id: event.itemID)
        losses.formUnion(items.append(delta, to: piece, index: event.pieceIndex, at: place, of: text))
    }

    private mutating func readItem(
        _ item: JSONValue, of event: ResponseEvent, in text: Span<UInt8>, isCaptured: Bool
    ) throws(JSONError) {
        var visit = ResponseVisit()
        visit.offForm = offForm
        var cursor = JSONCursor(at: item.range.lowerBound, options: .nonFiniteNumbers)
        let found = try readItem(with: &cursor, of: text, visit: &visit)
        guard isCaptured else { return }
        hasBegun = true
        let isDone = event.kind == .itemDone
        guard isDone || event.kind == .itemAdded else { return }
        if isDone || found.isCall { state.hasOutput = true }
        let place = ResponseItems.Place(index: event.outputIndex, id: found.id)
        items.put(recorded(item, of: text, without: visit.compact), isDone: isDone, at: place, of: text)
    }

    private mutating func readResponse(
        _ response: JSONValue, of text: Span<UInt8>, isFinal: Bool, isCaptured: Bool
    ) throws(JSONError) {
        var visit = ResponseVisit()
        visit.offForm = offForm
        visit.isCaptured = isCaptured
        visit.isFinal = isFinal
        // What ends a stream repeats what its deltas brought.
        visit.readsEntries = isFinal && isCaptured && tokens.count == 0
        var cursor = JSONCursor(at: response.range.lowerBound, options: .nonFiniteNumbers)
        try readResponse(with: &cursor, of: text, visit: &visit)
        guard isCaptured else { return }
        hasBegun = true
        lastResponse = recorded(response, of: text, without: visit.compact)
        if isFinal {
            hasEnded = true
            items = ResponseItems()
        }
    }

    /// A copy for the record.
    private mutating func recorded(_ value: JSONValue, of text: Span<UInt8>, without removed: JSONEdits) -> [UInt8] {
        if removed.isEmpty { return JSONNormalizer.normalized(value.range, of: text, losses: &losses) }
        var removed = removed
        let start = value.range.lowerBound
        removed.relocate { $0.lowerBound - start..<$0.upperBound - start }
        let copy = removed.applied(to: text.extracting(value.range))
        return JSONNormalizer.normalized(copy.indices, of: copy.span, losses: &losses)
    }

    // MARK: Whole replies

    private mutating func readWhole(_ text: Span<UInt8>, with cursor: inout JSONCursor) throws(JSONError) {
        var visit = ResponseVisit()
        visit.offForm = offForm
        visit.isCaptured = true
        visit.isFinal = true
        visit.readsEntries = true
        try readResponse(with: &cursor, of: text, visit: &visit)
        hasBegun = visit.isResponse
        state.compactEdits = visit.compact
    }
}
