import VerbatimJSON

/// One block of a streamed message's content, as far as it has come.
///
/// What a delta's member does goes by the member's name, not by the delta's `type`, so that deltas nobody has heard of
/// are kept as well: `partial_json` (of `input_json_delta`) continues `input`, `citation` (of `citations_delta`) is one
/// more of `citations`; any other, such as `text`, `thinking` and `signature`, continues the block's field of its name.
struct ContentBlock: Sendable {
    let index: Int
    /// Whether its `content_block_start` has come.
    private(set) var hasStarted = false
    /// Whether something generated has come: a text, or what names a tool.
    private(set) var hasOutput = false

    private var fields = GrowingObject()
    private var input = PartialJSON()

    init(index: Int) { self.index = index }

    var losses: JSONNormalizer.Losses { fields.losses.union(input.losses) }

    /// Reads a `content_block`.
    mutating func start(with block: JSONObject, of text: Span<UInt8>) throws(JSONError) {
        hasStarted = true
        for member in block.members {
            if !member.key.equals("type", in: text) { noteOutput(member.value) }
            try fields.grow(member, of: text)
        }
    }

    /// Reads a `delta`.
    mutating func append(_ delta: JSONObject, of text: Span<UInt8>) throws(JSONError) {
        for member in delta.members where !member.key.equals("type", in: text) {
            noteOutput(member.value)
            if member.key.equals("partial_json", in: text) {
                input.append(member.value, of: text)
            } else if member.key.equals("citation", in: text) {
                fields.append(member.value, toList: "citations", of: text)
            } else {
                try fields.grow(member, of: text)
            }
        }
    }

    /// The block as a whole reply would have it. Its `input` is what the block started with if no piece came.
    var json: [UInt8] {
        if input.isEmpty { return fields.json() }
        return fields.json(replacing: [("input", input.json)])
    }

    /// Empty texts, lists and objects are what a block starts with.
    private mutating func noteOutput(_ value: JSONValue) {
        switch value.kind {
        case .string, .array, .object: if value.range.count > 2 { hasOutput = true }
        case .number, .true, .false, .null, .nonFinite: break
        }
    }
}
