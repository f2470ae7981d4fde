import VerbatimSSE
package import VerbatimJSON
import VerbatimSchema

/// Reads a reply while it passes: captures it, and undoes in it what the injection caused.
///
/// A dialect says what a JSON document of its replies means; how documents come in events is the same for all.
package protocol ReplyParser: ReplyTransform {
    var state: ReplyState { get set }

    /// Reads the document of one event, or the whole reply if ``ReplyState/isWhole``. It is known to be valid JSON, and
    /// `cursor` stands at its beginning; edits are noted in ``ReplyState/edits``.
    mutating func read(document: Span<UInt8>, with cursor: JSONCursor) throws(JSONError) -> EventDisposition
    /// Whether an event with this document, of a stream that is not read any more, ends it.
    func isTerminal(document: Span<UInt8>) -> Bool

    /// Reads an event that has the form of one before, so that it goes out; `false` if it has not.
    mutating func readAgain(_ event: Span<UInt8>) -> Bool
    /// Keeps the form of an event whose document has just been read.
    mutating func keepForm(of event: Span<UInt8>, documentAt offset: Int, disposition: EventDisposition)
    mutating func forgetForm()
}

/// What is known of a reply in every dialect.
package struct ReplyState: Sendable {
    let injection: Injection
    let policy: RequestPolicy
    let situation: EngineProfile.Situation
    /// The profile in force.
    var profile: EngineProfile { didSet { findEngine() } }
    /// The engine, once its replies give it away.
    private(set) var recognised: EngineProfile? { didSet { findEngine() } }
    /// The engine as far as it is known: a profile that was chosen is not overruled.
    private(set) var engine: EngineProfile
    /// Of the event or body that is being read.
    fileprivate var outline = JSONOutline()
    /// Splices to be made in the event or body read last.
    var edits = JSONEdits()
    /// Splices that take out of a whole reply what its record does without.
    var compactEdits = JSONEdits()
    /// The JSON text of an error that the last event carried.
    var error: [UInt8]?
    /// The error of the reply, from whichever event.
    var replyError: [UInt8]?
    /// Whether something generated has been seen.
    var hasOutput = false
    var problems: [ProblemCode] = []
    /// Whether the stream has ended as it must; always of a reply that was not streamed.
    var isTerminated = false
    /// Whether the reply was not streamed.
    var isWhole = false
    /// A reply that was not streamed, as it shall stand in the record.
    var wholeReply: JSONText?
    /// How many documents may still give the engine away.
    private var recognitionAttempts = 16

    init(
        injection: Injection, policy: RequestPolicy, situation: EngineProfile.Situation, profile: EngineProfile
    ) {
        self.injection = injection
        self.policy = policy
        self.situation = situation
        self.profile = profile
        engine = profile
    }

    private mutating func findEngine() { engine = profile == .generic ? recognised ?? profile : profile }

    mutating func note(_ problem: ProblemCode) {
        if !problems.contains(problem) { problems.append(problem) }
    }

    /// Notes the value of `error`, unless it says nothing: clients raise only what is true in Python or JavaScript.
    mutating func noteError(_ value: JSONValue, of text: Span<UInt8>) {
        let message = JSONNormalizer.normalized(value.range, of: text)
        if ["null", "false", "0", "\"\"", "{}", "[]"].contains(where: { message.elementsEqual($0.utf8) }) { return }
        error = message
        replyError = message
    }

    /// What an assembled reply says of the error that ended it; nothing if there was none. The error's `code` stands for
    /// the status that it would have had.
    var errorMembers: [(name: StaticString, value: [UInt8])] {
        guard let replyError else { return [] }
        let status = replyError.integer("code").map(String.init) ?? "null"
        return [("upstream_status", Array(status.utf8)), ("upstream_error", replyError)]
    }

    /// Whether nobody has named the engine, and there is hope that it gives itself away.
    var isLookingForEngine: Bool { profile == .generic && recognised == nil && recognitionAttempts > 0 }

    /// Whether what is being read need not be normalized.
    var outlineIsNormal: Bool { outline.isNormal }

    /// Gives the outline's memory back until it is needed again.
    mutating func releaseOutline() { outline = JSONOutline() }

    /// Looks for what gives the engine away.
    fileprivate mutating func recognise(by document: Span<UInt8>) {
        guard isLookingForEngine else { return }
        recognitionAttempts -= 1
        recognised = EngineRecognition.profile(forReply: document)
    }
}

extension ReplyParser {
    package var mayChangeReply: Bool { !state.injection.isEmpty }
    package var edits: JSONEdits { state.edits }
    package var recognised: EngineProfile? { state.recognised }
    package var error: [UInt8]? { state.error }
    package var hasOutput: Bool { state.hasOutput }

    package mutating func readAgain(_ event: Span<UInt8>) -> Bool { false }
    package mutating func keepForm(of event: Span<UInt8>, documentAt offset: Int, disposition: EventDisposition) {}
    package mutating func forgetForm() {}

    /// The profile in force may become known as late as with the reply's head.
    package mutating func use(_ profile: EngineProfile) {
        state.profile = profile
        forgetForm()
    }

    // MARK: Events

    /// Reads one event of a stream, blank line included.
    package mutating func read(event: Span<UInt8>) -> EventDisposition {
        state.edits.removeAll()
        state.error = nil
        if readAgain(event) { return .passThrough }
        let fields = EventFields(of: event)
        guard let data = fields.data else { return .passThrough }
        if fields.furtherData.isEmpty {
            let disposition = read(data: event.extracting(data))
            if !state.edits.isEmpty {
                state.edits.relocate { $0.lowerBound + data.lowerBound..<$0.upperBound + data.lowerBound }
            }
            keepForm(of: event, documentAt: data.lowerBound, disposition: disposition)
            return disposition
        }
        let lines = [data] + fields.furtherData
        let disposition = read(data: JoinedLines.joined(lines, of: event).span)
        state.edits.relocate { JoinedLines.place($0, lines: lines) }
        forgetForm()
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
        state.note(ProblemCode.unparsedEvent)
        forgetForm()
        return .passThrough
    }

    /// `nil` for what is not JSON, which leaves no trace, so that what follows it stays in step.
    private mutating func readChecked(_ text: Span<UInt8>) -> EventDisposition? {
        guard state.outline.take(of: text) else { return nil }
        state.recognise(by: text)
        return try? read(document: text, with: JSONCursor(following: state.outline))
    }

    /// Whether an event ends the stream.
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

    // MARK: Whole replies

    /// Reads a whole reply that was not streamed.
    package mutating func read(body: Span<UInt8>) -> BodyDisposition {
        state.edits.removeAll()
        state.isWhole = true
        state.isTerminated = true
        var cursor = JSONCursor(options: .nonFiniteNumbers)
        defer { state.outline = JSONOutline() }
        guard (try? cursor.peekKind(in: body)) == .object, readChecked(body) != nil else {
            state.note(ProblemCode.replyNotJSON)
            return .passThrough
        }
        let recorded =
            state.compactEdits.isEmpty
            ? [UInt8](copying: body, 0..<body.count) : state.compactEdits.applied(to: body)
        state.wholeReply = JSONText(recorded, isNormal: state.outline.isNormal)
        return .passThrough
    }
}

/// What kind of data an event carries.
private enum EventData {
    case nothing
    /// `[DONE]`
    case done
    case document

    init(_ data: Span<UInt8>) {
        func isBlank(_ byte: UInt8) -> Bool { byte == 0x20 || (0x09...0x0D).contains(byte) }
        var range = 0..<data.count
        while let first = range.first, isBlank(data[first]) { range.removeFirst() }
        while let last = range.last, isBlank(data[last]) { range.removeLast() }
        if range.isEmpty {
            self = .nothing
        } else if range.count == 6, data[range.lowerBound] == UInt8(ascii: "["),
            String(copying: data, range) == "[DONE]"
        {
            self = .done
        } else {
            self = .document
        }
    }
}
