import VerbatimJSON

/// Reads one choice of an event or a body: emits its effects, and notes the edits that restore it.
struct ChoiceReader: Sendable {
    private let restoration: ChatReplyRestoration

    init(restoration: ChatReplyRestoration) { self.restoration = restoration }

    /// What has been seen of a choice.
    struct Visit {
        /// The place of the choice in ``ChatReply/choices``.
        let choice: Int
        /// The delta is an object without members, or holds nothing, from an engine that sends such deltas.
        fileprivate var bringsNothing = false
        fileprivate var isFinished = false
        fileprivate var hasInjectedData = false
        fileprivate let mayDropEvents: Bool

        /// Whether the choice is there only because of the injection.
        var isInjectedOnly: Bool { bringsNothing && !isFinished && hasInjectedData && mayDropEvents }
    }

    /// - Parameter position: The place of the choice in its list.
    func read(
        with cursor: inout JSONCursor, of text: Span<UInt8>, position: Int, sink: inout EffectSink<ChatReply>,
        state: inout ReplyState
    ) throws(JSONError) -> Visit {
        let index = try Self.index(of: cursor, in: text) ?? position
        let choice = sink.target.place(ofChoice: index) ?? sink.change { $0.addChoice(index: index) }
        var visit = Visit(choice: choice, mayDropEvents: restoration.mayDropEvents)
        var restorer = MemberRemover(objectAt: cursor.offset)
        var compactor = MemberRemover(objectAt: cursor.offset)
        let isCompacted = state.isWhole && state.policy.detail == .compact
        try cursor.enterObject(in: text)
        while let key = try cursor.nextKey(in: text) {
            let field = TokenField(key, in: text)
            let isInjected = field.map { restoration.isInjected($0, engine: state.engine) } ?? false
            let isRemoved =
                isInjected
                && field.map { restoration.valueWhenOff(of: $0, engine: state.engine) } == .absent
            restorer.visit(key: key, isRemoved: isRemoved, edits: &state.edits)
            if isCompacted { compactor.visit(key: key, isRemoved: field == .logprobs, edits: &state.compactEdits) }
            if let field {
                let value =
                    field == .logprobs
                    ? try readLogprobs(into: choice, with: &cursor, of: text, sink: &sink, state: &state)
                    : try read(field, into: choice, with: &cursor, of: text, sink: &sink)
                if isInjected, let value {
                    if field != .promptTokenIDs { visit.hasInjectedData = true }
                    if !isRemoved { state.edits.replace(value, with: .null) }
                }
            } else if key.equals("provider_specific_fields", in: text) {
                try readProviderFields(key, ofChoice: choice, with: &cursor, of: text, sink: &sink, state: &state)
            } else {
                // Routers report the failure of a provider in the choice.
                if key.equals("error", in: text) {
                    var ahead = cursor
                    state.noteError(try ahead.skipValue(in: text), of: text)
                }
                try readMember(key, with: &cursor, of: text, visit: &visit, sink: &sink, engine: state.engine)
            }
            restorer.endValue(at: cursor.offset)
            compactor.endValue(at: cursor.offset)
        }
        restorer.endObject(at: cursor.offset, edits: &state.edits)
        if isCompacted { compactor.endObject(at: cursor.offset, edits: &state.compactEdits) }
        sink.emit(.endInstalment(choice: choice), of: text, isNormal: cursor.isNormal)
        return visit
    }

    /// The `index` of the choice whose `{` is ahead of the cursor. It identifies the choice of all other members, and
    /// engines send it first.
    private static func index(of cursor: JSONCursor, in text: Span<UInt8>) throws(JSONError) -> Int? {
        var ahead = cursor
        try ahead.enterObject(in: text)
        while let key = try ahead.nextKey(in: text) {
            let isIndex = key.equals("index", in: text)
            let value = try ahead.skipValue(in: text)
            if isIndex { return value.int(in: text) }
        }
        return nil
    }

    private func readMember(
        _ key: JSONString, with cursor: inout JSONCursor, of text: Span<UInt8>, visit: inout Visit,
        sink: inout EffectSink<ChatReply>, engine: EngineProfile
    ) throws(JSONError) {
        if key.equals("delta", in: text) {
            let delta = try ChatDelta(with: &cursor, of: text, choice: visit.choice, sink: &sink)
            let isBlank = delta.isBlank && (!delta.hasRole || engine.repeatsRole)
            visit.bringsNothing = delta.isEmpty || (isBlank && restoration.makesBlankEvents(engine: engine))
            return
        }
        if key.equals("message", in: text) {
            try sink.change { reply throws(JSONError) in
                try reply.readMessage(ofChoice: visit.choice, with: &cursor, of: text)
            }
            return
        }
        let value = try cursor.skipValue(in: text)
        if key.equals("index", in: text) { return }
        if restoration.api == .completions && key.equals("text", in: text) && value.kind == .string {
            sink.emit(.appendText(choice: visit.choice, value), of: text, isNormal: cursor.isNormal)
            visit.bringsNothing = restoration.makesBlankEvents(engine: engine) && value.range.count == 2
            return
        }
        if key.equals("finish_reason", in: text) { visit.isFinished = !value.isNull }
        sink.emit(.setChoiceField(choice: visit.choice, key, value), of: text, isNormal: cursor.isNormal)
    }

    // MARK: Token data

    /// Reads the object into which LiteLLM moves the fields of a choice that it does not know, ids among them.
    private func readProviderFields(
        _ key: JSONString, ofChoice choice: Int, with cursor: inout JSONCursor, of text: Span<UInt8>,
        sink: inout EffectSink<ChatReply>, state: inout ReplyState
    ) throws(JSONError) {
        let isNormal = cursor.isNormal
        let value = try cursor.skipValue(in: text)
        sink.emit(.setChoiceField(choice: choice, key, value), of: text, isNormal: cursor.isNormal)
        guard value.kind == .object, restoration.isInjected(.tokenIDs, engine: state.engine),
            let object = try JSONObject(scanning: text, at: value.range.lowerBound, options: .nonFiniteNumbers)
        else { return }
        var injected = 0
        for member in object.members where Self.isInjected(member.key, in: text) {
            injected += 1
            guard member.value.kind == .array else { continue }
            if member.key.equals("token_ids", in: text) {
                sink.emit(.changeTokens(choice: choice, .appendIDs(member.value)), of: text, isNormal: isNormal)
            } else {
                sink.emit(.setPromptIDs(choice: choice, member.value), of: text, isNormal: isNormal)
            }
        }
        if injected == 0 { return }
        if injected == object.members.count {
            state.edits.replace(value.range, with: .null)
        } else {
            state.edits.remove(from: object) { Self.isInjected($0.key, in: text) }
        }
    }

    private static func isInjected(_ key: JSONString, in text: Span<UInt8>) -> Bool {
        key.equals("token_ids", in: text) || key.equals("prompt_token_ids", in: text)
    }

    /// Returns where the value is, or nil if it says nothing.
    private func readLogprobs(
        into choice: Int, with cursor: inout JSONCursor, of text: Span<UInt8>, sink: inout EffectSink<ChatReply>,
        state: inout ReplyState
    ) throws(JSONError) -> Range<Int>? {
        guard try cursor.peekKind(in: text) == .object else {
            try cursor.skipValue(in: text)
            return nil
        }
        let start = cursor.offset
        let isNormal = cursor.isNormal
        let entries = try LogprobsReader.readObject(with: &cursor, of: text) {
            sink.emit(.changeTokens(choice: choice, $0), of: text, isNormal: isNormal)
        }
        let value = start..<cursor.offset
        if state.isWhole && state.policy.detail == .entries { entries.remove(from: value, edits: &state.compactEdits) }
        return value
    }

    /// Returns where the value is, or nil if it says nothing.
    private func read(
        _ field: TokenField, into choice: Int, with cursor: inout JSONCursor, of text: Span<UInt8>,
        sink: inout EffectSink<ChatReply>
    ) throws(JSONError) -> Range<Int>? {
        let kind = try cursor.peekKind(in: text)
        let isNormal = cursor.isNormal
        let value = try cursor.skipValue(in: text)
        switch field {
        case .tokenIDs:
            if value.kind == .array {
                sink.emit(.changeTokens(choice: choice, .appendIDs(value)), of: text, isNormal: isNormal)
            }
        case .responseTokenIDs:
            try sink.change { reply throws(JSONError) in
                try reply.appendWholeIDs(value, toChoice: choice, of: text)
            }
        case .promptTokenIDs where value.kind == .array:
            sink.emit(.setPromptIDs(choice: choice, value), of: text, isNormal: isNormal)
        case .promptLogprobs where value.kind == .array:
            let length = try Self.count(of: value, in: text)
            sink.emit(.setPromptLength(choice: choice, length), of: text, isNormal: isNormal)
        case .logprobs, .promptTokenIDs, .promptLogprobs: break
        }
        return kind == .null ? nil : value.range
    }

    private static func count(of array: JSONValue, in text: Span<UInt8>) throws(JSONError) -> Int {
        var cursor = JSONCursor(at: array.range.lowerBound, options: .nonFiniteNumbers)
        var count = 0
        try cursor.enterArray(in: text)
        while try cursor.nextElement(in: text) {
            try cursor.skipValue(in: text)
            count += 1
        }
        return count
    }
}
