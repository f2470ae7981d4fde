import VerbatimJSON

/// Reads the reply to `/messages`, streamed or not. It is never edited.
///
/// A whole reply is one message: `{"id":…,"type":"message","role":"assistant","content":[…],"model":…,
/// "stop_reason":…,"stop_sequence":…,"usage":{…}}`, or `{"type":"error","error":{…}}`. A stream brings it in events that
/// name themselves by `type` (Anthropic's documentation, "Streaming messages"; the recorded samples):
///
///     message_start        {"message":{… "content":[],"usage":{…}}}
///     content_block_start  {"index":0,"content_block":{"type":"text","text":""}}
///     content_block_delta  {"index":0,"delta":{"type":"text_delta","text":"Hi"}}
///     content_block_stop   {"index":0}
///     message_delta        {"delta":{"stop_reason":"end_turn","stop_sequence":null},"usage":{"output_tokens":1}}
///     message_stop         {}
///     ping                 {}
///     error                {"error":{"type":"overloaded_error","message":"Overloaded"}}
///
/// Others may be added at any time, and pass as these do.
struct MessagesReplyParser: ReplyParser {
    var state: ReplyState

    /// The message's fields; `content` and `usage` of a stream only as placeholders.
    private(set) var envelope = GrowingObject()
    /// Of a stream: what `message_start` said, with what `message_delta` said laid over it.
    private(set) var usage = GrowingObject()
    /// Of a stream, in the order they came.
    private(set) var blocks: [ContentBlock] = []
    /// Whether anything of a message has come.
    private(set) var hasBegun = false
    /// Where in `blocks` the one of an index stands; of several, the last.
    private var slots: [Int: Int] = [:]
    /// The index of a block that comes without one.
    private var nextIndex = 0

    init(_ state: ReplyState) { self.state = state }

    func isTerminal(document text: Span<UInt8>) -> Bool {
        guard let event = try? JSONObject(document: text, options: .nonFiniteNumbers) else { return false }
        return event.value("type", in: text)?.equals("message_stop", in: text) ?? false
    }

    mutating func read(document text: Span<UInt8>, with start: JSONCursor) throws(JSONError) -> EventDisposition {
        var cursor = start
        guard let event = try JSONObject(with: &cursor, in: text) else { return .passThrough }
        let kind = EventKind(event.value("type", in: text), in: text)
        noteError(in: event, kind: kind, of: text)
        if state.isWhole {
            readWhole(event, kind: kind, of: text)
            return .passThrough
        }
        switch kind {
        case .blockDelta: try readBlockDelta(event, of: text)
        case .blockStart: try readBlockStart(event, of: text)
        case .messageStart:
            guard let message = try Self.object("message", of: event, in: text) else { break }
            hasBegun = true
            for member in message.members { try take(member, of: text) }
        case .messageDelta: try readMessageDelta(event, of: text)
        case .messageStop:
            state.isTerminated = true
            return .terminal
        case .error, .message, .other: break
        }
        return .passThrough
    }

    // MARK: Errors

    /// An `error` counts wherever it stands; an event that calls itself one and has none is the error.
    private mutating func noteError(in event: JSONObject, kind: EventKind, of text: Span<UInt8>) {
        if let error = event.value("error", in: text) { state.noteError(error, of: text) }
        if kind == .error && state.error == nil {
            state.noteError(JSONValue(kind: .object, range: event.range), of: text)
        }
    }

    // MARK: The message

    /// The body stands in the record as it is; only what the record says of it elsewhere is picked out.
    private mutating func readWhole(_ message: JSONObject, kind: EventKind, of text: Span<UInt8>) {
        guard state.error == nil, kind == .message || message.value("content", in: text)?.kind == .array else { return }
        hasBegun = true
        for member in message.members where !member.key.equals("content", in: text) { envelope.set(member, of: text) }
    }

    /// What `delta` changes in the message; fields beside it, such as `context_management`, are the message's too.
    private mutating func readMessageDelta(_ event: JSONObject, of text: Span<UInt8>) throws(JSONError) {
        hasBegun = true
        if let delta = try Self.object("delta", of: event, in: text) {
            for member in delta.members { try take(member, of: text) }
        }
        let known: [StaticString] = ["type", "delta", "error"]
        for member in event.members where !known.contains(where: { member.key.equals($0, in: text) }) {
            try take(member, of: text)
        }
    }

    /// Takes in a field of the message.
    private mutating func take(_ member: JSONObject.Member, of text: Span<UInt8>) throws(JSONError) {
        envelope.set(member, of: text)
        if member.key.equals("usage", in: text), let fields = try Self.object(member.value, in: text) {
            for field in fields.members { usage.set(field, of: text) }
        } else if member.key.equals("content", in: text), member.value.kind == .array {
            try takeBlocks(member.value, of: text)
        }
    }

    // MARK: Content

    /// The blocks that `message_start` brings: mostly none.
    private mutating func takeBlocks(_ list: JSONValue, of text: Span<UInt8>) throws(JSONError) {
        var cursor = JSONCursor(at: list.range.lowerBound, options: .nonFiniteNumbers)
        try cursor.enterArray(in: text)
        while try cursor.nextElement(in: text) {
            guard let block = try Self.object(try cursor.skipValue(in: text), in: text) else { continue }
            try start(newBlock(nextIndex), with: block, of: text)
        }
    }

    /// A start with the index of a block that has had one is another block, so that neither is lost.
    private mutating func readBlockStart(_ event: JSONObject, of text: Span<UInt8>) throws(JSONError) {
        guard let block = try Self.object("content_block", of: event, in: text) else { return }
        let index = event.value("index", in: text)?.int(in: text)
        if let index, let slot = slots[index], !blocks[slot].hasStarted {
            try start(slot, with: block, of: text)
        } else {
            try start(newBlock(index ?? nextIndex), with: block, of: text)
        }
    }

    /// Without an index, it is the block before that goes on. A block that never began is made of its deltas alone.
    private mutating func readBlockDelta(_ event: JSONObject, of text: Span<UInt8>) throws(JSONError) {
        guard let delta = try Self.object("delta", of: event, in: text) else { return }
        let index = event.value("index", in: text)?.int(in: text)
        let known = if let index { slots[index] } else { blocks.indices.last }
        let slot = known ?? newBlock(index ?? nextIndex)
        try blocks[slot].append(delta, of: text)
        if blocks[slot].hasOutput { state.hasOutput = true }
    }

    private mutating func start(_ slot: Int, with block: JSONObject, of text: Span<UInt8>) throws(JSONError) {
        try blocks[slot].start(with: block, of: text)
        if blocks[slot].hasOutput { state.hasOutput = true }
    }

    /// Answers the new block's slot.
    private mutating func newBlock(_ index: Int) -> Int {
        hasBegun = true
        blocks.append(ContentBlock(index: index))
        slots[index] = blocks.count - 1
        nextIndex = max(nextIndex, index &+ 1)
        return blocks.count - 1
    }

    // MARK: Objects

    private static func object(
        _ name: StaticString, of event: JSONObject, in text: Span<UInt8>
    ) throws(JSONError) -> JSONObject? {
        guard let value = event.value(name, in: text) else { return nil }
        return try object(value, in: text)
    }

    private static func object(_ value: JSONValue, in text: Span<UInt8>) throws(JSONError) -> JSONObject? {
        try JSONObject(scanning: text, at: value.range.lowerBound, options: .nonFiniteNumbers)
    }
}

/// What the `type` of an event, or of a whole reply, says.
private enum EventKind {
    case message, messageStart, messageDelta, messageStop, blockStart, blockDelta, error
    /// Among them `content_block_stop` and `ping`, which say nothing that the record lacks.
    case other

    init(_ type: JSONValue?, in text: Span<UInt8>) {
        guard let type else {
            self = .other
            return
        }
        self = Self.names.first { type.equals($0.name, in: text) }?.kind ?? .other
    }

    /// The most frequent first.
    private static let names: [(name: StaticString, kind: EventKind)] = [
        ("content_block_delta", .blockDelta), ("content_block_start", .blockStart), ("message_start", .messageStart),
        ("message_delta", .messageDelta), ("message_stop", .messageStop), ("message", .message), ("error", .error),
    ]
}
