import VerbatimJSON

/// A message put together from the deltas of a stream.
///
/// Texts are concatenated, tool calls merged by index, lists appended to; of anything else the last value that is not
/// null counts. Unknown fields are treated in the same way.
struct ChatMessage: Sendable {
    private var fields = DeltaAccumulator()
    /// The tool calls in a field, by its place.
    private var toolCalls: [Int: ToolCallList] = [:]
    /// The tool call in a field, in the old form `function_call`, by its place.
    private var functionCalls: [Int: ToolCall] = [:]
    private var callLosses: JSONNormalizer.Losses = []
    /// Whether a text, a list or a tool call has come that is not empty.
    private(set) var hasOutput = false

    var losses: JSONNormalizer.Losses { fields.losses.union(callLosses) }

    // MARK: Fields

    var fieldCount: Int { fields.fieldCount }

    /// The place of the field that is named `key`.
    func place(of key: JSONString, in text: Span<UInt8>) -> Int? { fields.place(of: key, in: text) }

    mutating func addField(_ key: JSONString, of text: Span<UInt8>) { fields.add(key, of: text) }

    /// Replaces the value of the field at `place`.
    mutating func set(_ value: JSONValue, at place: Int, of text: Span<UInt8>) {
        fields.set(value, at: place, of: text)
    }

    /// Appends a value to the field at `place`.
    mutating func append(_ value: JSONValue, to place: Int, of text: Span<UInt8>) {
        if fields.grow(value, at: place, of: text) { hasOutput = true }
    }

    // MARK: Tool calls

    /// Reads the fragments in an array of tool calls.
    mutating func readToolCalls(
        into place: Int, with cursor: inout JSONCursor, of text: Span<UInt8>
    ) throws(JSONError) {
        fields.makeExternal(at: place)
        try cursor.enterArray(in: text)
        while try cursor.nextElement(in: text) {
            guard try cursor.peekKind(in: text) == .object else {
                try cursor.skipValue(in: text)
                continue
            }
            let fragment = try ToolCall(fragmentWith: &cursor, of: text)
            callLosses.formUnion(fragment.losses)
            toolCalls[place, default: ToolCallList()].join(fragment)
            hasOutput = true
        }
    }

    /// Reads a fragment of a tool call in the old form `function_call`.
    mutating func readFunctionCall(
        into place: Int, with cursor: inout JSONCursor, of text: Span<UInt8>
    ) throws(JSONError) {
        let fragment = try ToolCall(functionWith: &cursor, of: text)
        callLosses.formUnion(fragment.losses)
        hasOutput = true
        fields.makeExternal(at: place)
        if functionCalls[place]?.append(fragment) == nil { functionCalls[place] = fragment }
    }

    // MARK: Result

    /// Whether more was generated than the visible text: reasoning or tool calls.
    var hasHiddenParts: Bool {
        toolCalls.contains { fields.isExternal(at: $0.key) && !$0.value.isEmpty }
            || functionCalls.contains { fields.isExternal(at: $0.key) }
            || fields.hasText(in: "reasoning", "reasoning_content", "thinking")
    }

    /// The visible text, as JSON text without quotes.
    var visibleText: ByteRope { fields.text(of: "content", "refusal") }

    /// The length of the visible text, in bytes of its JSON form.
    var visibleLength: Int { fields.length(of: "content", "refusal") }

    /// Appends the message as a JSON object.
    func append(to rope: inout ByteRope) {
        rope.append("{")
        let hasRole = fields.hasField("role")
        if !hasRole { rope.append(#""role":"assistant""#) }
        fields.append(to: &rope, isFirst: hasRole) { place, rope in
            if let call = functionCalls[place] {
                rope.append(call.functionJSON)
                return
            }
            rope.append(toolCalls[place]?.json ?? JSONList())
        }
        rope.append("}")
    }
}
