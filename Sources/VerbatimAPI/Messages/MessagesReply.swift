import VerbatimJSON

/// What has been captured of a message so far.
struct MessagesReply: Sendable {
    /// The message's fields. `content` and `usage` of a stream are placeholders.
    private(set) var envelope = DeltaAccumulator()
    /// Of a stream: what `message_start` said, updated by `message_delta`.
    private(set) var usage = DeltaAccumulator()
    /// Of a stream, in the order they came.
    private(set) var blocks: [ContentBlock] = []
    /// Whether anything of a message has come.
    private(set) var hasBegun = false
    /// Whether the stream came to its end.
    private(set) var hasEnded = false
    /// Whether there is any block.
    private(set) var hasContent = false
    /// Whether a block holds generated output.
    private(set) var hasOutput = false
    /// The place in ``blocks`` of the block with an index; of several, the last.
    private var places: [Int: Int] = [:]
    /// The index of a block that comes without one.
    private var nextIndex = 0

    // MARK: Whole replies

    /// Picks out what the record names. The body itself is recorded as it is.
    mutating func readWhole(_ message: JSONObject, of text: Span<UInt8>) {
        hasBegun = true
        for member in message.members {
            if member.key.equals("content", in: text) {
                hasContent = member.value.kind == .array && !member.value.isBlank(in: text)
            } else {
                envelope.set(member.key, member.value, of: text)
            }
        }
    }

    mutating func end() { hasEnded = true }

    /// Reads a `message_delta`. Fields beside `delta`, such as `context_management`, belong to the message as well.
    mutating func readDelta(_ event: JSONObject, of text: Span<UInt8>) throws(JSONError) {
        hasBegun = true
        if let delta = try JSONObject.find("delta", of: event, in: text) {
            for member in delta.members { try take(member, of: text) }
        }
        let known: [StaticString] = ["type", "delta", "error"]
        for member in event.members where !known.contains(where: { member.key.equals($0, in: text) }) {
            try take(member, of: text)
        }
    }

    /// Reads the `message` of a `message_start`.
    mutating func readStart(_ event: JSONObject, of text: Span<UInt8>) throws(JSONError) {
        guard let message = try JSONObject.find("message", of: event, in: text) else { return }
        hasBegun = true
        for member in message.members { try take(member, of: text) }
    }

    /// Sets a field of the message.
    private mutating func take(_ member: JSONObject.Member, of text: Span<UInt8>) throws(JSONError) {
        envelope.set(member.key, member.value, of: text)
        if member.key.equals("usage", in: text), let fields = try JSONObject.find(member.value, in: text) {
            for field in fields.members { usage.set(field.key, field.value, of: text) }
        } else if member.key.equals("content", in: text), member.value.kind == .array {
            try takeBlocks(member.value, of: text)
        }
    }

    // MARK: Content

    /// Takes the blocks of a `message_start`, which has none in most streams.
    private mutating func takeBlocks(_ list: JSONValue, of text: Span<UInt8>) throws(JSONError) {
        var cursor = JSONCursor(at: list.range.lowerBound, options: .nonFiniteNumbers)
        try cursor.enterArray(in: text)
        while try cursor.nextElement(in: text) {
            guard let block = try JSONObject.find(try cursor.skipValue(in: text), in: text) else { continue }
            try start(newBlock(nextIndex), with: block, of: text)
        }
    }

    /// A second start with the same index makes another block, so that neither is lost.
    mutating func readBlockStart(_ event: JSONObject, of text: Span<UInt8>) throws(JSONError) {
        guard let block = try JSONObject.find("content_block", of: event, in: text) else { return }
        let index = event.value("index", in: text)?.int(in: text)
        if let index, let place = places[index], !blocks[place].hasStarted {
            try start(place, with: block, of: text)
        } else {
            try start(newBlock(index ?? nextIndex), with: block, of: text)
        }
        // The block of a fallback names the model that goes on with the message.
        if block.value("type", in: text)?.equals("fallback", in: text) ?? false,
            let model = try JSONObject.find("to", of: block, in: text)?.member("model", in: text)
        {
            envelope.set(model.key, model.value, of: text)
        }
    }

    /// A delta without an index continues the last block. A block without a start consists of its deltas.
    mutating func readBlockDelta(_ event: JSONObject, of text: Span<UInt8>) throws(JSONError) {
        guard let delta = try JSONObject.find("delta", of: event, in: text) else { return }
        let index = event.value("index", in: text)?.int(in: text)
        let known = if let index { places[index] } else { blocks.indices.last }
        let place = known ?? newBlock(index ?? nextIndex)
        try blocks[place].append(delta, of: text)
        if blocks[place].hasOutput { hasOutput = true }
    }

    /// A stop without an index ends the last block.
    mutating func readBlockStop(_ event: JSONObject, of text: Span<UInt8>) {
        let index = event.value("index", in: text)?.int(in: text)
        let place = if let index { places[index] } else { blocks.indices.last }
        if let place { blocks[place].stop() }
    }

    private mutating func start(_ place: Int, with block: JSONObject, of text: Span<UInt8>) throws(JSONError) {
        try blocks[place].start(with: block, of: text)
        if blocks[place].hasOutput { hasOutput = true }
    }

    /// Returns the place of a new block.
    private mutating func newBlock(_ index: Int) -> Int {
        hasBegun = true
        hasContent = true
        blocks.append(ContentBlock(index: index))
        places[index] = blocks.count - 1
        nextIndex = max(nextIndex, index &+ 1)
        return blocks.count - 1
    }
}

extension JSONObject {
    /// The object in a member of `event`, if there is one.
    fileprivate static func find(
        _ name: StaticString, of event: JSONObject, in text: Span<UInt8>
    ) throws(JSONError) -> JSONObject? {
        guard let value = event.value(name, in: text) else { return nil }
        return try find(value, in: text)
    }

    /// The object that `value` is; nil for any other value.
    fileprivate static func find(_ value: JSONValue, in text: Span<UInt8>) throws(JSONError) -> JSONObject? {
        try JSONObject(scanning: text, at: value.range.lowerBound, options: .nonFiniteNumbers)
    }
}
