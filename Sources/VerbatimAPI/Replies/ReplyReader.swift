import VerbatimJSON
import VerbatimSSE
import VerbatimSchema

/// Reads replies of one API and forwards them in the same API.
struct ReplyReader<Parser: ReplyParser>: ReplyTransform {
    private var parser: Parser
    private var memo = EventMemo<Parser.Target.Effect>()
    /// Of the event or the body that is being read.
    private var outline = JSONOutline()

    init(_ parser: Parser) { self.parser = parser }

    var mayChangeReply: Bool { !parser.state.injection.isEmpty }
    var edits: JSONEdits { parser.state.edits }
    var recognised: EngineProfile? { parser.state.recognised }
    var error: [UInt8]? { parser.state.error }
    var hasOutput: Bool { parser.hasOutput }

    func captured() -> Capture { parser.captured() }

    mutating func use(_ profile: EngineProfile) {
        parser.state.profile = profile
        memo.forget()
    }

    // MARK: Events

    mutating func read(event: Span<UInt8>) -> EventDisposition {
        parser.state.edits.removeAll()
        parser.state.error = nil
        let match = memo.replay(event, on: &parser.sink)
        if match != .none {
            // A stream of such events does not need this memory any more.
            if match == .first { outline = JSONOutline() }
            memo.appendEdits(to: &parser.state.edits)
            return .passThrough
        }
        let fields = EventFields(of: event)
        guard let data = fields.data else { return .passThrough }
        if fields.furtherData.isEmpty { return read(event, dataAt: data) }
        let lines = [data] + fields.furtherData
        memo.forget()
        let disposition = read(data: JoinedLines.joined(lines, of: event).span)
        parser.state.edits.relocate { JoinedLines.place($0, lines: lines) }
        return disposition
    }

    /// Reads an event whose data are on one line.
    private mutating func read(_ event: Span<UInt8>, dataAt range: Range<Int>) -> EventDisposition {
        let data = event.extracting(range)
        memo.forget()
        if !parser.state.isLookingForEngine && memo.wantsJournal(of: data) { parser.sink.startJournal() }
        let disposition = read(data: data)
        let effects = parser.sink.takeJournal()
        if !parser.state.edits.isEmpty {
            parser.state.edits.relocate { $0.lowerBound + range.lowerBound..<$0.upperBound + range.lowerBound }
        }
        if let effects, disposition == .passThrough, parser.state.error == nil, outline.isNormal {
            memo.remember(event, documentAt: range.lowerBound, effects: effects, edits: parser.state.edits)
        }
        return disposition
    }

    private mutating func read(data: Span<UInt8>) -> EventDisposition {
        switch EventData(data) {
        case .nothing: return .passThrough
        case .done:
            parser.state.isTerminated = true
            return .terminal
        case .document: break
        }
        if let disposition = readChecked(data) { return disposition }
        _ = parser.sink.takeJournal()
        parser.state.note(ProblemCode.unparsedEvent)
        return .passThrough
    }

    /// Returns nil for what is not JSON. Nothing of it is captured, so that what follows stays in step.
    private mutating func readChecked(_ text: Span<UInt8>) -> EventDisposition? {
        guard outline.take(of: text) else { return nil }
        parser.state.recognise(by: text)
        return try? parser.read(document: text, with: JSONCursor(following: outline))
    }

    func isTerminal(event: Span<UInt8>) -> Bool {
        let fields = EventFields(of: event)
        guard let data = fields.data, fields.furtherData.isEmpty else { return false }
        let content = event.extracting(data)
        return switch EventData(content) {
        case .nothing: false
        case .done: true
        case .document: parser.isTerminal(document: content)
        }
    }

    // MARK: Whole replies

    mutating func read(body: Span<UInt8>) -> BodyDisposition {
        parser.state.edits.removeAll()
        parser.state.isWhole = true
        parser.state.isTerminated = true
        var cursor = JSONCursor(options: .nonFiniteNumbers)
        defer { outline = JSONOutline() }
        guard (try? cursor.peekKind(in: body)) == .object, readChecked(body) != nil else {
            parser.state.note(ProblemCode.replyNotJSON)
            return .passThrough
        }
        let recorded =
            parser.state.compactEdits.isEmpty
            ? [UInt8](copying: body, 0..<body.count) : parser.state.compactEdits.applied(to: body)
        parser.state.wholeReply = JSONText(recorded, isNormal: outline.isNormal)
        return .passThrough
    }
}
