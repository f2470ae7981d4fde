import EventStream
package import JSONBytes

/// Reads the reply to a chat completion, streamed or not.
package struct ChatReply: DialectReply {
    package var edits = JSONEdits()
    package private(set) var recognised: EngineProfile?
    package private(set) var error: [UInt8]?
    package private(set) var hasOutput = false

    let injection: Injection
    let asked: ChatRequest.Asked
    let policy: RequestPolicy
    private(set) var profile: EngineProfile

    var choices: [ChatChoice] = []
    /// The reply's fields beside `choices`.
    var envelope = FieldBag()
    private(set) var problems: [String] = []
    private(set) var isTerminated = false
    /// Whether the reply was not streamed.
    private(set) var isWhole = false
    /// The error of the reply, from whichever event.
    private(set) var replyError: [UInt8]?
    /// A reply that was not streamed, as it shall stand in the record.
    private(set) var wholeReply: [UInt8]?
    /// Splices that take log-probabilities out of it.
    var compactEdits = JSONEdits()

    init(injection: Injection, asked: ChatRequest.Asked, profile: EngineProfile, policy: RequestPolicy) {
        self.injection = injection
        self.asked = asked
        self.profile = profile
        self.policy = policy
    }

    package mutating func use(_ profile: EngineProfile) { self.profile = profile }

    /// The engine as far as it is known: a profile that was chosen is not overruled.
    var engine: EngineProfile { profile == .generic ? recognised ?? profile : profile }

    // MARK: Events

    package mutating func read(event: Span<UInt8>) -> EventFate {
        edits.removeAll()
        error = nil
        let fields = EventFields(of: event)
        guard let data = fields.data else { return .forward }
        if fields.furtherData.isEmpty {
            let fate = read(data: event.extracting(data))
            if !edits.isEmpty { edits.relocate { $0.lowerBound + data.lowerBound..<$0.upperBound + data.lowerBound } }
            return fate
        }
        let lines = [data] + fields.furtherData
        var joined: [UInt8] = []
        for line in lines {
            if !joined.isEmpty { joined.append(UInt8(ascii: "\n")) }
            joined.append(copying: event, line)
        }
        let fate = read(data: joined.span)
        edits.relocate { JoinedLines.place($0, lines: lines) }
        return fate
    }

    private mutating func read(data: Span<UInt8>) -> EventFate {
        let content = Self.trimmed(data)
        if content.isEmpty { return .forward }
        if Self.isDone(data, content) {
            isTerminated = true
            return .terminal
        }
        let chunk: Chunk
        do {
            chunk = try readDocument(data)
        } catch {
            note(Problem.unparsedEvent)
            return .forward
        }
        if chunk.isInjectedOnly && error == nil { return .drop }
        return edits.isEmpty ? .forward : .edit
    }

    package func isTerminal(event: Span<UInt8>) -> Bool {
        let fields = EventFields(of: event)
        guard let data = fields.data, fields.furtherData.isEmpty else { return false }
        let content = event.extracting(data)
        return Self.isDone(content, Self.trimmed(content))
    }

    private static func isDone(_ data: Span<UInt8>, _ content: Range<Int>) -> Bool {
        content.count == 6 && data[content.lowerBound] == UInt8(ascii: "[")
            && String(copying: data, content) == "[DONE]"
    }

    /// What is left of the data without white space around them.
    private static func trimmed(_ data: Span<UInt8>) -> Range<Int> {
        func isBlank(_ byte: UInt8) -> Bool { byte == 0x20 || (0x09...0x0D).contains(byte) }
        var range = 0..<data.count
        while let first = range.first, isBlank(data[first]) { range.removeFirst() }
        while let last = range.last, isBlank(data[last]) { range.removeLast() }
        return range
    }

    // MARK: Whole replies

    package mutating func read(body: Span<UInt8>) {
        edits.removeAll()
        isWhole = true
        isTerminated = true
        guard let chunk = try? readDocument(body), chunk.isObject else {
            note(Problem.replyNotJSON)
            return
        }
        wholeReply = compactEdits.isEmpty ? [UInt8](copying: body, 0..<body.count) : compactEdits.applied(to: body)
    }

    // MARK: Notes

    private mutating func note(_ problem: String) {
        if !problems.contains(problem) { problems.append(problem) }
    }

    mutating func noteOutput() { hasOutput = true }

    /// Notes the value of `error`, unless it says nothing: clients raise only what is true in Python or JavaScript.
    mutating func noteError(_ value: JSONValue, of text: Span<UInt8>) {
        let message = JSONNormalizer.normalized(value.range, of: text)
        if ["null", "false", "0", "\"\"", "{}", "[]"].contains(where: { message.elementsEqual($0.utf8) }) { return }
        error = message
        replyError = message
    }

    mutating func recognise(_ engine: EngineProfile) {
        if recognised == nil { recognised = engine }
    }

    mutating func recognise(by key: JSONString, _ value: JSONValue, of text: Span<UInt8>) {
        if key.equals("system_fingerprint", in: text) {
            recognised = value.string(in: text).flatMap(EngineRecognition.profile(forFingerprint:))
        } else if key.equals("timings", in: text), value.kind == .object {
            recognised = .llamaCpp
        }
    }

    /// Entries that carry the token's `id` are llama.cpp's.
    mutating func recogniseByEntries(at cursor: JSONCursor, of text: Span<UInt8>) throws(JSONError) {
        // The first entries tell.
        if recognised != nil || choices.contains(where: { $0.tokens.count > 0 }) { return }
        var ahead = cursor
        var probe = TokenCapture()
        guard try ahead.peekKind(in: text) == .object else { return }
        try ahead.enterObject(in: text)
        while let key = try ahead.nextKey(in: text) {
            if key.equals("content", in: text) {
                try probe.readEntries(with: &ahead, of: text, isRefusal: false)
            } else {
                try ahead.skipValue(in: text)
            }
        }
        // A server that spells ids out in its token texts has no `id` in the entries.
        if probe.entriesCarryIDs && !probe.spellsIDsOut { recognised = .llamaCpp }
    }
}
