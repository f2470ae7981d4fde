import VerbatimJSON
import VerbatimSSE
import VerbatimSchema

/// What ``ReplyParser`` keeps between events to find and replay them. Parsers store it and do not use it.
struct ReplyReading<Effect: ReplayableEffect>: Sendable {
    fileprivate var memo = EventMemo<Effect>()
    /// Of the event or the body that is being read.
    fileprivate var outline = JSONOutline()
}

extension EventFields {
    fileprivate func isError(_ name: Range<Int>, in event: Span<UInt8>) -> Bool {
        name.count == 5 && String(copying: event, name) == "error"
    }
}

// Every parser is a transform that forwards the reply in its own API. These methods are extensions of the protocol, not
// of a generic wrapper, so that the compiler makes specialized ones for each parser.
extension ReplyParser {
    package var mayChangeReply: Bool { !state.injection.isEmpty }
    package var edits: JSONEdits { state.edits }
    package var recognized: EngineProfile? { state.recognized }
    package var error: [UInt8]? { state.error }

    package mutating func use(_ profile: EngineProfile) {
        state.profile = profile
        reading.memo.forget()
    }

    // MARK: Events

    package mutating func read(event: Span<UInt8>) -> EventDisposition {
        state.edits.removeAll()
        state.error = nil
        if replay(event) { return .passThrough }
        let fields = EventFields(of: event)
        guard let data = fields.data else { return .passThrough }
        if let name = fields.name, fields.isError(name, in: event) {
            return read(errorEvent: event, dataAt: [data] + fields.furtherData)
        }
        if fields.furtherData.isEmpty { return read(event, dataAt: data) }
        let lines = [data] + fields.furtherData
        reading.memo.forget()
        let disposition = read(data: JoinedLines.joined(lines, of: event).span)
        state.edits.relocate { JoinedLines.place($0, lines: lines) }
        return disposition
    }

    /// Reads an event that has the template of the one before; false if it has not.
    private mutating func replay(_ event: Span<UInt8>) -> Bool {
        guard var memorized = reading.memo.takeOut() else { return false }
        let isMatch = memorized.matches(event)
        if isMatch {
            memorized.replay(event, on: &sink)
            memorized.appendEdits(to: &state.edits)
            // A stream of such events does not need this memory any more.
            if reading.memo.noteMatch() { reading.outline = JSONOutline() }
        }
        reading.memo.putBack(memorized)
        return isMatch
    }

    /// Reads an event whose data are on one line.
    private mutating func read(_ event: Span<UInt8>, dataAt range: Range<Int>) -> EventDisposition {
        let data = event.extracting(range)
        reading.memo.forget()
        if !state.isLookingForEngine && reading.memo.wantsJournal(of: data) { sink.startJournal() }
        let disposition = read(data: data)
        let effects = sink.takeJournal()
        if !state.edits.isEmpty {
            state.edits.relocate { $0.lowerBound + range.lowerBound..<$0.upperBound + range.lowerBound }
        }
        if let effects, disposition == .passThrough, state.error == nil, reading.outline.isNormal {
            reading.memo.remember(event, documentAt: range.lowerBound, effects: effects, edits: state.edits)
        }
        return disposition
    }

    private mutating func read(data: Span<UInt8>) -> EventDisposition {
        switch EventData(data) {
        case .nothing: return .passThrough
        case .done:
            state.isTerminated = true
            return .terminal
        case .document: break
        }
        if let disposition = readChecked(data) { return disposition }
        _ = sink.takeJournal()
        state.note(ProblemCode.unparsedEvent)
        return .passThrough
    }

    /// Reads an event that is named `error`: its data are an error, whatever they are.
    private mutating func read(errorEvent event: Span<UInt8>, dataAt lines: [Range<Int>]) -> EventDisposition {
        reading.memo.forget()
        let data = JoinedLines.joined(lines, of: event)
        switch EventData(data.span) {
        case .nothing, .done: return read(data: data.span)
        case .document: break
        }
        guard let disposition = readChecked(data.span) else {
            var text: [UInt8] = []
            text.appendJSONString(String(decoding: data, as: UTF8.self))
            state.noteError(JSONNormalizer.normalized(text.indices, of: text.span))
            return .passThrough
        }
        state.edits.relocate { JoinedLines.place($0, lines: lines) }
        if state.error == nil { state.noteError(JSONNormalizer.normalized(data.indices, of: data.span)) }
        return disposition == .drop ? .passThrough : disposition
    }

    /// Returns nil for what is not JSON. Nothing of it is captured, so that later tokens stay aligned.
    private mutating func readChecked(_ text: Span<UInt8>) -> EventDisposition? {
        guard reading.outline.take(of: text) else { return nil }
        state.recognize(by: text)
        return try? read(document: text, with: JSONCursor(following: reading.outline))
    }

    package func isTerminal(event: Span<UInt8>) -> Bool {
        let fields = EventFields(of: event)
        guard let data = fields.data, fields.furtherData.isEmpty else { return false }
        let content = event.extracting(data)
        return switch EventData(content) {
        case .nothing: false
        case .done: true
        case .document: isTerminal(document: content)
        }
    }

    package func ending(for expected: ExpectedReply, usage: EndingUsage) -> StreamEnding {
        if state.isTerminated || state.isWhole || state.replyError != nil { return .none }
        guard case .events(let events) = engineEnding(for: expected, usage: usage) else { return .notBegun }
        // The events may repeat what the reply said because of the injection. They are restored like the engine's own.
        var reader = self
        let restored = events.compactMap { event -> [UInt8]? in
            guard reader.read(event: event.span).keepsEvent else { return nil }
            return reader.state.edits.applied(to: event.span)
        }
        return .events(restored)
    }

    // MARK: Whole replies

    package mutating func read(body: Span<UInt8>) -> BodyDisposition {
        state.edits.removeAll()
        let wasWhole = state.isWhole
        let wasTerminated = state.isTerminated
        state.isWhole = true
        state.isTerminated = true
        var cursor = JSONCursor(options: .nonFiniteNumbers)
        defer { reading.outline = JSONOutline() }
        let isObject = (try? cursor.peekKind(in: body)) == .object
        if isObject, read(document: body) { return .passThrough }
        switch BodyContent(body) {
        case .object(let length): if isObject, read(document: body.extracting(0..<length)) { return .passThrough }
        case .objects:
            state.isWhole = wasWhole
            state.isTerminated = wasTerminated
            return .objects
        case .other: break
        }
        state.note(ProblemCode.replyNotJSON)
        return .passThrough
    }

    /// Returns false if it is not JSON.
    private mutating func read(document: Span<UInt8>) -> Bool {
        guard readChecked(document) != nil else { return false }
        let recorded =
            state.compactEdits.isEmpty
            ? [UInt8](copying: document, 0..<document.count) : state.compactEdits.applied(to: document)
        state.wholeReply = JSONText(recorded, isNormal: reading.outline.isNormal)
        return true
    }
}
