import VerbatimJSON

/// What has come of one block of a streamed message's content.
///
/// The names of a delta's members decide what they change, not the delta's `type`, so that unknown deltas are kept as
/// well: `partial_json` (of `input_json_delta`) continues `input`, and `citation` (of `citations_delta`) is appended to
/// `citations`. A `signature` takes the place of the one before, as in Anthropic's SDKs. Any other member, such as
/// `text` or `thinking`, continues the block's field with its name.
struct ContentBlock: Sendable {
    let index: Int
    /// Whether its `content_block_start` has come.
    private(set) var hasStarted = false
    /// Whether its `content_block_stop` has come.
    private(set) var hasStopped = false
    /// Whether generated output has come: a text, or the name of a tool.
    private(set) var hasOutput = false

    private var fields = DeltaAccumulator()
    private var input = PartialJSON()

    init(index: Int) { self.index = index }

    var losses: JSONNormalizer.Losses { fields.losses.union(input.losses) }

    /// Reads a `content_block`.
    mutating func start(with block: JSONObject, of text: Span<UInt8>) throws(JSONError) {
        hasStarted = true
        for member in block.members {
            if !member.key.equals("type", in: text) { noteOutput(member.value) }
            fields.grow(member.key, member.value, of: text)
        }
    }

    /// Reads a `delta`.
    mutating func append(_ delta: JSONObject, of text: Span<UInt8>) throws(JSONError) {
        for member in delta.members where !member.key.equals("type", in: text) {
            noteOutput(member.value)
            if member.key.equals("partial_json", in: text) {
                input.append(member.value, of: text)
            } else if member.key.equals("signature", in: text) {
                fields.set(member.key, member.value, of: text)
            } else if member.key.equals("citation", in: text) {
                fields.append(member.value, toList: "citations", of: text)
            } else {
                fields.grow(member.key, member.value, of: text)
            }
        }
    }

    mutating func stop() { hasStopped = true }

    /// The block as a reply that is not streamed has it. Without pieces, `input` is the one of the block's start.
    var json: [UInt8] {
        if input.isEmpty { return fields.json() }
        return fields.json(replacing: [("input", input.json)])
    }

    /// Blocks start with empty texts, lists and objects, which are no output.
    private mutating func noteOutput(_ value: JSONValue) {
        switch value.kind {
        case .string, .array, .object: if value.range.count > 2 { hasOutput = true }
        case .number, .true, .false, .null, .nonFinite: break
        }
    }
}
