import VerbatimJSON
import VerbatimSchema

/// Reads the reply to a request to `/responses`, streamed or not.
///
/// Log-probabilities come with the deltas of the text, and again at the end of a part, an item and the response. They
/// are captured once. vLLM sends ids at the end, in `output_messages` and `input_messages`
/// (`entrypoints/openai/responses/protocol.py`).
struct ResponsesReplyParser: ReplyParser {
    var state: ReplyState
    var reading = ReplyReading<Never>()
    private var reply: ResponsesReply
    private let reader: ResponseReader
    private var numbers = EventNumbers()

    init(_ state: ReplyState, echoes: ResponseEchoes) {
        self.state = state
        reader = ResponseReader(echoes: echoes)
        reply = ResponsesReply(keepsEntries: state.policy.detail.keepsEntries)
    }

    package func captured() -> Capture { ResponsesCapture(reply, state: state, lacksEvents: numbers.hasGap).capture }

    func engineEnding(for expected: ExpectedReply, usage: EndingUsage) -> StreamEnding {
        ResponsesEnding(of: reply, number: numbers.next, usage: usage).ending
    }

    mutating func read(
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
        if event.kind == nil && state.error == nil { noteError(object, of: text) }
        guard let status = event.kind?.status else { return .passThrough }
        reply.end(as: status)
        state.isTerminated = true
        return .terminal
    }

    func isTerminal(document: Span<UInt8>) -> Bool {
        (try? ResponseEvent.kind(of: document))?.isTerminal ?? false
    }

    /// OpenAI's event `error` has the members of the error; other engines nest them.
    private mutating func noteError(of event: ResponseEvent, in text: Span<UInt8>) {
        if let error = event.error { state.noteError(error, of: text) }
        if state.error != nil { return }
        if event.kind == .error { state.noteError(JSONValue(kind: .object, range: event.range), of: text) }
        // Failed responses of vLLM have no `error`.
        if event.kind == .failed, let type = event.type { state.noteError(type, of: text) }
    }

    /// Notes an error in a form of another API.
    private mutating func noteError(_ document: JSONObject, of text: Span<UInt8>) {
        if document.value("output", in: text) != nil || document.value("response", in: text) != nil { return }
        if ErrorMarks.areOfAnError(document, of: text, isWhole: state.isWhole) {
            state.noteError(JSONValue(kind: .object, range: document.range), of: text)
        }
    }

    // MARK: Events

    private var disabledLogprobs: EngineProfile.ValueWhenOff {
        state.engine.valueOfLogprobsWhenOff(in: .responses)
    }

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
            var visit = ResponseReader.Visit()
            visit.disabledLogprobs = event.kind == .partAdded ? .emptyArray : disabledLogprobs
            var cursor = JSONCursor(at: part.range.lowerBound, options: .nonFiniteNumbers)
            try reader.readPart(with: &cursor, of: text, visit: &visit, reply: &reply, state: &state)
            if isCaptured && part.kind == .object { take(part, of: event, in: text, without: visit.compact) }
        }
        if let logprobs = event.logprobs {
            var visit = ResponseReader.Visit()
            visit.disabledLogprobs = .emptyArray
            visit.readsEntries = isCaptured && event.kind == .textDelta
            var cursor = JSONCursor(at: logprobs.range.lowerBound, options: .nonFiniteNumbers)
            try reader.readLogprobs(with: &cursor, of: text, visit: &visit, reply: &reply, state: &state)
            if reply.tokens.count > 0 { state.hasOutput = true }
        }
        guard isCaptured else { return }
        if let piece = event.kind?.piece {
            if let delta = event.delta, delta.kind == .string {
                read(delta, to: piece, of: event, in: text)
            } else if let whole = event.whole, whole.kind == .string {
                let place = place(of: event)
                let string = JSONString(quoted: whole.range, hasEscapes: true)
                reply.take(whole: string, as: piece, index: event.pieceIndex, name: event.name, at: place, of: text)
            }
        } else if event.kind == .annotationAdded, let annotation = event.annotation {
            reply.take(annotation: annotation, index: event.pieceIndex, at: place(of: event), of: text)
        }
    }

    private func place(of event: ResponseEvent) -> ResponseItems.Place {
        ResponseItems.Place(index: event.outputIndex, id: event.itemID)
    }

    private mutating func take(
        _ part: JSONValue, of event: ResponseEvent, in text: Span<UInt8>, without removed: JSONEdits
    ) {
        guard let kind = event.kind, let list = kind.partList else { return }
        reply.take(
            part: part, of: text, without: removed, in: list, index: event.pieceIndex,
            isDone: kind == .partDone || kind == .summaryPartDone, at: place(of: event))
    }

    private mutating func read(
        _ delta: JSONValue, to piece: ResponsePieceKind, of event: ResponseEvent, in text: Span<UInt8>
    ) {
        reply.begin()
        let delta = JSONString(quoted: delta.range, hasEscapes: true)
        if delta.content.isEmpty { return }
        state.hasOutput = true
        reply.append(delta, to: piece, index: event.pieceIndex, at: place(of: event), of: text)
    }

    private mutating func readItem(
        _ item: JSONValue, of event: ResponseEvent, in text: Span<UInt8>, isCaptured: Bool
    ) throws(JSONError) {
        var visit = ResponseReader.Visit()
        visit.disabledLogprobs = disabledLogprobs
        var cursor = JSONCursor(at: item.range.lowerBound, options: .nonFiniteNumbers)
        let found = try reader.readItem(with: &cursor, of: text, visit: &visit, reply: &reply, state: &state)
        guard isCaptured else { return }
        reply.begin()
        let isDone = event.kind == .itemDone
        guard isDone || event.kind == .itemAdded else { return }
        if isDone || found.isCall { state.hasOutput = true }
        let place = ResponseItems.Place(index: event.outputIndex, id: found.id, callID: found.callID)
        reply.take(item: item, of: text, without: visit.compact, isDone: isDone, at: place)
    }

    private mutating func readResponse(
        _ response: JSONValue, of text: Span<UInt8>, isFinal: Bool, isCaptured: Bool
    ) throws(JSONError) {
        var visit = ResponseReader.Visit()
        visit.disabledLogprobs = disabledLogprobs
        visit.isCaptured = isCaptured
        visit.isFinal = isFinal
        // The end of a stream repeats what its deltas brought.
        visit.readsEntries = isFinal && isCaptured && reply.tokens.count == 0
        var cursor = JSONCursor(at: response.range.lowerBound, options: .nonFiniteNumbers)
        try reader.readResponse(with: &cursor, of: text, visit: &visit, reply: &reply, state: &state)
        guard isCaptured else { return }
        reply.take(response: response, of: text, without: visit.compact, isFinal: isFinal)
    }

    // MARK: Whole replies

    private mutating func readWhole(_ text: Span<UInt8>, with cursor: inout JSONCursor) throws(JSONError) {
        let start = cursor.offset
        var visit = ResponseReader.Visit()
        visit.disabledLogprobs = disabledLogprobs
        visit.isCaptured = true
        visit.isFinal = true
        visit.readsEntries = true
        try reader.readResponse(with: &cursor, of: text, visit: &visit, reply: &reply, state: &state)
        if visit.isResponse {
            reply.begin()
        } else if state.error == nil,
            let object = try JSONObject(scanning: text, at: start, options: .nonFiniteNumbers)
        {
            noteError(object, of: text)
        }
        state.compactEdits = visit.compact
    }
}
