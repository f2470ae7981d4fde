import VerbatimJSON
import VerbatimSchema

/// Reads the reply to a chat completion or a completion, streamed or not: an object that has `choices`.
///
/// One walk over an event or a body captures it and notes the edits that restore it.
struct ChatReplyParser: ReplyParser {
    var state: ReplyState
    var sink: EffectSink<ChatReply>
    var reading = ReplyReading<ChatEffect>()
    private let restoration: ChatReplyRestoration
    private let choiceReader: ChoiceReader

    /// - Parameters:
    ///   - echo: What is known of a prompt that the reply repeats; nil if it does not.
    ///   - messages: The messages of the request.
    init(
        _ state: ReplyState, asked: AgentRequestedData, echo: EchoedPrompt? = nil, messages: RequestFields.Value? = nil
    ) {
        self.state = state
        restoration = ChatReplyRestoration(
            requestKind: state.requestKind, asked: asked, injection: state.injection, echo: echo, messages: messages)
        choiceReader = ChoiceReader(restoration: restoration)
        sink = EffectSink(ChatReply(keepsEntries: state.policy.detail.keepsEntries, isEcho: echo != nil))
    }

    package var hasOutput: Bool { sink.target.hasOutput }

    /// Only `[DONE]` ends a stream.
    func isTerminal(document: Span<UInt8>) -> Bool { false }

    package func captured() -> Capture { ChatCapture(sink.target, state: state, restoration: restoration).capture }

    func engineEnding(for expected: ExpectedReply, usage: EndingUsage) -> StreamEnding {
        ChatEnding(of: sink.target, api: restoration.api, expected: expected, usage: usage).ending
    }

    // MARK: Events and bodies

    /// What has been seen of an event or a body.
    private struct Chunk {
        /// The place of its choice among all, if it has exactly one.
        var onlyChoice: Int?
        var hasChoices = false
        /// Each choice is there only because of the injection.
        var hasInjectedChoicesOnly = false
        var hasUsage = false
        var hasInjectedExtension = false
        /// An extension holds something that was not injected.
        var hasOtherExtension = false
        var errorMarks = ErrorMarks()

        var isInjectedOnly: Bool {
            if hasOtherExtension { return false }
            return hasChoices ? hasInjectedChoicesOnly : hasInjectedExtension && !hasUsage
        }
    }

    mutating func read(document text: Span<UInt8>, with start: JSONCursor) throws(JSONError) -> EventDisposition {
        var cursor = start
        guard try cursor.peekKind(in: text) == .object else { return .passThrough }
        var chunk = Chunk()
        var remover = MemberRemover(objectAt: cursor.offset)
        // The record omits fields that repeat the prompt.
        var trimmer = MemberRemover(objectAt: cursor.offset)
        let isTrimmed = state.isWhole && state.injection.ids.contains(.flag("verbose"))
        sink.emit(.beginEvent, of: text, isNormal: cursor.isNormal)
        try cursor.enterObject(in: text)
        while let key = try cursor.nextKey(in: text) {
            let isExtension = ExtensionFields.reads(key, in: text)
            if isTrimmed {
                let isRemoved = ExtensionFields.isVerbose(key, in: text)
                trimmer.visit(key: key, isRemoved: isRemoved, edits: &state.compactEdits)
            }
            if isExtension {
                try readExtension(key, with: &cursor, of: text, remover: &remover, chunk: &chunk)
            } else {
                remover.visit(key: key, isRemoved: false, edits: &state.edits)
                try readMember(key, with: &cursor, of: text, chunk: &chunk)
            }
            remover.endValue(at: cursor.offset)
            trimmer.endValue(at: cursor.offset)
        }
        remover.endObject(at: cursor.offset, edits: &state.edits)
        if isTrimmed { trimmer.endObject(at: cursor.offset, edits: &state.compactEdits) }
        if state.error == nil && chunk.errorMarks.areOfAnError(isWhole: state.isWhole) {
            state.noteError(JSONValue(kind: .object, range: start.offset..<cursor.offset), of: text)
        }
        return chunk.isInjectedOnly && state.error == nil ? .drop : .passThrough
    }

    private mutating func readMember(
        _ key: JSONString, with cursor: inout JSONCursor, of text: Span<UInt8>, chunk: inout Chunk
    ) throws(JSONError) {
        if key.equals("choices", in: text) {
            chunk.errorMarks.hasChoices = true
            if try cursor.peekKind(in: text) == .array {
                try readChoices(with: &cursor, of: text, chunk: &chunk)
            } else {
                try cursor.skipValue(in: text)
            }
            return
        }
        let value = try cursor.skipValue(in: text)
        if key.equals("error", in: text) {
            state.noteError(value, of: text)
            return
        }
        chunk.errorMarks.note(key, value, of: text)
        sink.emit(.setField(key, value), of: text, isNormal: cursor.isNormal)
        if key.equals("usage", in: text) { chunk.hasUsage = !value.isNull }
        if key.equals("timings", in: text), let choice = chunk.onlyChoice,
            let count = try Self.count(inTimings: value, of: text)
        {
            // llama.cpp counts the tokens of a stream here, also when no usage was asked for.
            sink.emit(.setTokenCount(choice: choice, count), of: text, isNormal: cursor.isNormal)
        }
        if key.equals("prompt_token_ids", in: text), !value.isNull,
            restoration.hasInjectedPromptIDs(engine: state.engine)
        {
            state.edits.replace(value.range, with: .null)
        }
    }

    private static func count(inTimings value: JSONValue, of text: Span<UInt8>) throws(JSONError) -> Int? {
        let timings = try JSONObject(scanning: text, at: value.range.lowerBound, options: .nonFiniteNumbers)
        return timings?.value("predicted_n", in: text)?.int(in: text)
    }

    /// Reads an object that an engine has added to the API for token data; what was injected is taken out.
    private mutating func readExtension(
        _ key: JSONString, with cursor: inout JSONCursor, of text: Span<UInt8>, remover: inout MemberRemover,
        chunk: inout Chunk
    ) throws(JSONError) {
        var ahead = cursor
        let value = try ahead.skipValue(in: text)
        let object = try JSONObject(scanning: text, at: value.range.lowerBound, options: .nonFiniteNumbers)
        if let object {
            try sink.change { reply throws(JSONError) in try reply.readExtension(object, of: text) }
        }
        let injected = object.map { state.injection.members(of: key, $0, in: text) } ?? []
        let isRemoved = !injected.isEmpty && injected.count == object?.members.count
        remover.visit(key: key, isRemoved: isRemoved, edits: &state.edits)
        if !isRemoved, !injected.isEmpty, let object {
            state.edits.remove(from: object) { injected.contains($0.key) }
        }
        if !injected.isEmpty { chunk.hasInjectedExtension = true }
        if !isRemoved && !value.isNull { chunk.hasOtherExtension = true }
        cursor = ahead
    }

    private mutating func readChoices(
        with cursor: inout JSONCursor, of text: Span<UInt8>, chunk: inout Chunk
    ) throws(JSONError) {
        try cursor.enterArray(in: text)
        var position = 0
        var lastChoice: Int?
        var areInjectedOnly = true
        while try cursor.nextElement(in: text) {
            if sink.target.choices.count >= ChatReply.choiceLimit {
                try cursor.skipValue(in: text)
                state.note(ProblemCode.choicesMissing)
                areInjectedOnly = false
            } else if try cursor.peekKind(in: text) == .object {
                let visit = try choiceReader.read(
                    with: &cursor, of: text, position: position, sink: &sink, state: &state)
                lastChoice = visit.choice
                areInjectedOnly = areInjectedOnly && visit.isInjectedOnly
            } else {
                try cursor.skipValue(in: text)
                areInjectedOnly = false
            }
            position += 1
        }
        chunk.hasChoices = position > 0
        chunk.onlyChoice = position == 1 ? lastChoice : nil
        chunk.hasInjectedChoicesOnly = position > 0 && areInjectedOnly
    }
}
