import EventStream
package import JSONBytes

/// Reads the reply to a chat completion, streamed or not.
package struct ChatReply: DialectReply {
    package var edits = JSONEdits()
    package private(set) var recognised: EngineProfile?
    package private(set) var error: [UInt8]?
    package private(set) var hasOutput = false

    private let injection: Injection
    private let asked: ChatRequest.Asked
    private let policy: RequestPolicy
    private var profile: EngineProfile

    private var choices: [ChatChoice] = []
    /// The reply's fields beside `choices`.
    private var envelope = FieldBag()
    private var problems: [String] = []
    private var losses: JSONNormalizer.Losses = []
    private var isTerminated = false
    /// The error of the stream, from whichever event.
    private var streamError: [UInt8]?
    /// A unary reply as it shall stand in the record.
    private var wholeReply: [UInt8]?
    /// Splices that take log-probabilities out of the recorded reply.
    private var compactEdits = JSONEdits()

    init(injection: Injection, asked: ChatRequest.Asked, profile: EngineProfile, policy: RequestPolicy) {
        self.injection = injection
        self.asked = asked
        self.profile = profile
        self.policy = policy
    }

    package mutating func use(_ profile: EngineProfile) { self.profile = profile }

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
        if Self.isDone(data) {
            isTerminated = true
            return .terminal
        }
        let chunk: Chunk
        do {
            chunk = try readDocument(data)
        } catch {
            edits.removeAll()
            note(Problem.unparsedEvent)
            return .forward
        }
        if chunk.isInjectedOnly && error == nil { return .drop }
        return edits.isEmpty ? .forward : .edit
    }

    private static func isDone(_ data: Span<UInt8>) -> Bool {
        var end = data.count
        while end > 0, data[end - 1] == UInt8(ascii: " ") { end -= 1 }
        guard end == 6, data[0] == UInt8(ascii: "[") else { return false }
        return String(copying: data, 0..<6) == "[DONE]"
    }

    // MARK: Whole replies

    package mutating func read(body: Span<UInt8>) {
        edits.removeAll()
        do {
            guard try readDocument(body).isObject else { throw JSONError(.unexpectedByte, at: 0) }
        } catch {
            edits.removeAll()
            note(Problem.replyNotJSON)
            return
        }
        isTerminated = true
        if policy.detail == .compact && !compactEdits.isEmpty {
            let compact = compactEdits.applied(to: body)
            wholeReply = compact
        } else {
            wholeReply = [UInt8](copying: body, 0..<body.count)
        }
    }

    // MARK: Walking a document

    /// What a chunk or body turned out to be.
    private struct Chunk {
        var isObject = false
        /// It has choices, and each is there only because of the injection.
        var isInjectedOnly = false
    }

    private mutating func readDocument(_ text: Span<UInt8>) throws(JSONError) -> Chunk {
        var cursor = JSONCursor(options: .nonFiniteNumbers)
        var chunk = Chunk()
        guard try cursor.peekKind(in: text) == .object else {
            try cursor.skipValue(in: text)
            try cursor.expectEnd(in: text)
            return chunk
        }
        chunk.isObject = true
        envelope.restart()
        try cursor.enterObject(in: text)
        while let key = try cursor.nextKey(in: text) {
            if key.equals("choices", in: text), try cursor.peekKind(in: text) == .array {
                chunk.isInjectedOnly = try readChoices(with: &cursor, of: text)
                continue
            }
            let value = try cursor.skipValue(in: text)
            if key.equals("error", in: text) {
                if !value.isNull { noteError(value, of: text) }
                continue
            }
            envelope.put(key, value, of: text)
            if key.equals("prompt_token_ids", in: text) {
                recognise(.vllm)
                if injection.tokenIDs && !value.isNull { edits.replace(value.range, with: .null) }
            } else if recognised == nil {
                recognise(by: key, value, of: text)
            }
        }
        try cursor.expectEnd(in: text)
        return chunk
    }

    /// Answers whether there are choices and each is there only because of the injection.
    private mutating func readChoices(with cursor: inout JSONCursor, of text: Span<UInt8>) throws(JSONError) -> Bool {
        try cursor.enterArray(in: text)
        var position = 0
        var areInjectedOnly = true
        while try cursor.nextElement(in: text) {
            if try cursor.peekKind(in: text) == .object {
                let isInjectedOnly = try readChoice(with: &cursor, of: text, position: position)
                areInjectedOnly = areInjectedOnly && isInjectedOnly
            } else {
                try cursor.skipValue(in: text)
                areInjectedOnly = false
            }
            position += 1
        }
        return position > 0 && areInjectedOnly
    }

    private mutating func readChoice(
        with cursor: inout JSONCursor, of text: Span<UInt8>, position: Int
    ) throws(JSONError) -> Bool {
        var visit = ChoiceVisit(position: position)
        var restorer = MemberRemover(objectAt: cursor.offset)
        var compactor = MemberRemover(objectAt: cursor.offset)
        // `index` tells which choice the rest belongs to. Engines put it in front; if not, look ahead for it.
        let slot = try slot(of: cursor, in: text, position: position)
        choices[slot].fields.restart()
        try cursor.enterObject(in: text)
        while let key = try cursor.nextKey(in: text) {
            let isLogprobs = key.equals("logprobs", in: text)
            var isRemoved = false
            if isLogprobs && injection.topLogprobs != nil {
                if profile == .generic { try recogniseByEntries(at: cursor, of: text) }
                isRemoved = (profile == .generic ? recognised ?? profile : profile).logprobsOffForm == .absent
            }
            restorer.visit(key: key, isRemoved: isRemoved, edits: &edits)
            if policy.detail == .compact { compactor.visit(key: key, isRemoved: isLogprobs, edits: &compactEdits) }
            if isLogprobs {
                try readLogprobs(into: slot, with: &cursor, of: text, isRemoved: isRemoved, visit: &visit)
            } else {
                try readMember(key, into: slot, with: &cursor, of: text, visit: &visit)
            }
            restorer.endValue(at: cursor.offset)
            compactor.endValue(at: cursor.offset)
        }
        restorer.endObject(at: cursor.offset, edits: &edits)
        if policy.detail == .compact { compactor.endObject(at: cursor.offset, edits: &compactEdits) }
        choices[slot].tokens.endInstalment()
        if choices[slot].tokens.count > 0 || choices[slot].message.hasOutput { hasOutput = true }
        return visit.isInjectedOnly && !asked.logprobs && !asked.tokenIDs
    }

    /// What has been seen of a choice in one event.
    private struct ChoiceVisit {
        let position: Int
        var hasEmptyDelta = false
        var isFinished = false
        var hasInjectedData = false

        init(position: Int) { self.position = position }

        var isInjectedOnly: Bool { hasEmptyDelta && !isFinished && hasInjectedData }
    }

    private mutating func readMember(
        _ key: JSONString, into slot: Int, with cursor: inout JSONCursor, of text: Span<UInt8>,
        visit: inout ChoiceVisit
    ) throws(JSONError) {
        if key.equals("delta", in: text) {
            visit.hasEmptyDelta = try choices[slot].message.read(with: &cursor, of: text)
            return
        }
        let value = try cursor.skipValue(in: text)
        if key.equals("index", in: text) || key.equals("message", in: text) { return }
        if key.equals("token_ids", in: text) {
            recognise(.vllm)
            try choices[slot].tokens.readIDs(value, of: text)
            if injection.tokenIDs && !value.isNull {
                edits.replace(value.range, with: .null)
                visit.hasInjectedData = true
            }
            return
        }
        if key.equals("finish_reason", in: text) { visit.isFinished = !value.isNull }
        choices[slot].fields.put(key, value, of: text)
    }

    private mutating func readLogprobs(
        into slot: Int, with cursor: inout JSONCursor, of text: Span<UInt8>, isRemoved: Bool,
        visit: inout ChoiceVisit
    ) throws(JSONError) {
        guard try cursor.peekKind(in: text) == .object else {
            try cursor.skipValue(in: text)
            return
        }
        let start = cursor.offset
        try cursor.enterObject(in: text)
        while let key = try cursor.nextKey(in: text) {
            let isRefusal = key.equals("refusal", in: text)
            if isRefusal || key.equals("content", in: text) {
                try choices[slot].tokens.readEntries(with: &cursor, of: text, isRefusal: isRefusal)
            } else {
                try cursor.skipValue(in: text)
            }
        }
        guard injection.topLogprobs != nil else { return }
        visit.hasInjectedData = true
        if !isRemoved { edits.replace(start..<cursor.offset, with: .null) }
    }

    /// The slot of the choice whose `{` the cursor stands at.
    private mutating func slot(
        of cursor: JSONCursor, in text: Span<UInt8>, position: Int
    ) throws(JSONError) -> Int {
        var index = position
        var ahead = cursor
        try ahead.enterObject(in: text)
        while let key = try ahead.nextKey(in: text) {
            let isIndex = key.equals("index", in: text)
            let value = try ahead.skipValue(in: text)
            if isIndex {
                index = value.int(in: text) ?? position
                break
            }
        }
        if let slot = choices.firstIndex(where: { $0.index == index }) { return slot }
        choices.append(ChatChoice(index: index))
        return choices.count - 1
    }

    // MARK: Notes

    private mutating func note(_ problem: String) {
        if !problems.contains(problem) { problems.append(problem) }
    }

    private mutating func noteError(_ value: JSONValue, of text: Span<UInt8>) {
        error = JSONNormalizer.normalized(value.range, of: text)
        streamError = error
    }

    private mutating func recognise(_ engine: EngineProfile) {
        if recognised == nil { recognised = engine }
    }

    private mutating func recognise(by key: JSONString, _ value: JSONValue, of text: Span<UInt8>) {
        if key.equals("system_fingerprint", in: text) {
            recognised = value.string(in: text).flatMap(EngineRecognition.profile(forFingerprint:))
        } else if key.equals("timings", in: text), value.kind == .object {
            recognised = .llamaCpp
        }
    }

    /// Entries that carry the token's `id` are llama.cpp's.
    private mutating func recogniseByEntries(at cursor: JSONCursor, of text: Span<UInt8>) throws(JSONError) {
        if recognised != nil { return }
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

    // MARK: Result

    package func captured() -> Capture {
        var capture = Capture()
        capture.problems = problems
        let choices = choices.sorted { $0.index < $1.index }
        for choice in choices {
            var captured = Capture.Choice(index: choice.index)
            let found = choice.tokens.fill(&captured)
            captured.finishReason = choice.fields.value("finish_reason")
            capture.choices.append(captured)
            capture.note(found)
            capture.note(choice.tokens.losses.union(choice.message.losses))
        }
        capture.promptTokenIDs = envelope.value("prompt_token_ids").flatMap { $0.first == UInt8(ascii: "[") ? $0 : nil }
        capture.usage = envelope.value("usage")
        capture.model = envelope.value("model")
        capture.responseID = envelope.value("id")
        capture.response = wholeReply ?? assembled(choices)
        let count = capture.usage.flatMap { Self.number("completion_tokens", in: $0) } ?? predictedCount(choices)
        capture.judge(goal: policy.goal, countedByEngine: count)
        if !isTerminated { capture.note([streamError == nil ? Problem.streamNotTerminated : Problem.replyCutOff]) }
        capture.isComplete = capture.isComplete && isTerminated && streamError == nil && problems.isEmpty
        return capture
    }

    /// llama.cpp counts the tokens of a stream in `timings`, also when no usage was asked for.
    private func predictedCount(_ choices: [ChatChoice]) -> Int? {
        guard choices.count == 1, let timings = envelope.value("timings") else { return nil }
        return Self.number("predicted_n", in: timings)
    }

    private static func number(_ name: StaticString, in object: [UInt8]) -> Int? {
        let text = object.span
        guard let object = try? JSONObject(document: text) else { return nil }
        return object.value(name, in: text)?.int(in: text)
    }

    private func assembled(_ choices: [ChatChoice]) -> [UInt8] {
        var object = Array("{".utf8)
        for name in ["id", "object", "created", "model"] as [StaticString] {
            let value = name.description == "object" ? Array(#""chat.completion""#.utf8) : envelope.value(name)
            guard let value else { continue }
            object.appendJSONKey(name)
            object.append(contentsOf: value)
        }
        var list = JSONList()
        for choice in choices { list.append(choice.json(detail: policy.detail)) }
        object.appendJSONKey("choices")
        object.append(contentsOf: list.array)
        object.appendJSONKey("usage")
        object.append(contentsOf: envelope.value("usage") ?? Array("null".utf8))
        envelope.append(to: &object, except: ["id", "object", "created", "model", "usage"])
        if let streamError {
            object.appendJSONKey("upstream_error")
            object.append(contentsOf: streamError)
        }
        object.append(UInt8(ascii: "}"))
        return object
    }
}
