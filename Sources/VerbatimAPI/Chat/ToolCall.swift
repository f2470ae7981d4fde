import VerbatimJSON

/// A tool call or a fragment of one. Fragments add to the arguments, to the name unless they repeat it, and to the
/// texts and objects in other fields.
struct ToolCall: Sendable {
    /// The index among the message's calls; nil until it is known.
    private(set) var index: Int?
    private(set) var losses: JSONNormalizer.Losses = []
    private var fields = DeltaAccumulator()
    private var hasFunction = false
    private var function = DeltaAccumulator()
    /// JSON strings without their quotes.
    private var name: [UInt8]?
    private var arguments: [UInt8]?

    /// Reads an element of `tool_calls`, which must be an object.
    init(fragmentWith cursor: inout JSONCursor, of text: Span<UInt8>) throws(JSONError) {
        try cursor.enterObject(in: text)
        while let key = try cursor.nextKey(in: text) {
            if key.equals("function", in: text), try cursor.peekKind(in: text) == .object {
                try readFunction(with: &cursor, of: text)
                continue
            }
            let value = try cursor.skipValue(in: text)
            if key.equals("index", in: text), let number = value.int(in: text), 0..<65536 ~= number {
                index = number
            } else if !(key.equals("index", in: text) && value.isNull) {
                fields.set(key, value, of: text)
            }
        }
        losses.formUnion(fields.losses)
    }

    /// Reads a `function_call`.
    init(functionWith cursor: inout JSONCursor, of text: Span<UInt8>) throws(JSONError) {
        try readFunction(with: &cursor, of: text)
    }

    // MARK: Joining fragments

    /// The id, as JSON text; nil before it has arrived.
    var id: [UInt8]? { fields.value("id").flatMap { $0 == Array(#""""#.utf8) ? nil : $0 } }

    /// Whether the call is named, or the tool that it calls.
    var hasName: Bool { !(name ?? []).isEmpty || fields.value("custom")?.member("name") != nil }

    /// The first fragment of a call, under an index.
    func under(index: Int) -> ToolCall {
        var call = self
        call.index = index
        return call
    }

    /// Adds a further fragment.
    mutating func append(_ fragment: ToolCall) {
        fields.merge(fragment.fields)
        hasFunction = hasFunction || fragment.hasFunction
        function.merge(fragment.function)
        if let more = fragment.name, more != name { name = (name ?? []) + more }
        if let more = fragment.arguments {
            if arguments == nil { arguments = more } else { arguments?.append(contentsOf: more) }
        }
    }

    // MARK: Result

    var json: [UInt8] {
        if hasFunction { return fields.json(appending: [("function", functionJSON)]) }
        return fields.json()
    }

    var functionJSON: [UInt8] {
        var object = ByteRope(Array(#"{"name":""#.utf8))
        object.append(name ?? [])
        object.append(#"","arguments":""#)
        object.append(arguments ?? [])
        object.append("\"")
        function.append(to: &object, isFirst: false)
        object.append("}")
        return object.bytes
    }

    private mutating func readFunction(with cursor: inout JSONCursor, of text: Span<UInt8>) throws(JSONError) {
        hasFunction = true
        try cursor.enterObject(in: text)
        while let key = try cursor.nextKey(in: text) {
            let value = try cursor.skipValue(in: text)
            if key.equals("name", in: text) {
                append(value, to: \.name, of: text)
            } else if key.equals("arguments", in: text) {
                append(value, to: \.arguments, of: text)
            } else {
                function.set(key, value, of: text)
            }
        }
        losses.formUnion(function.losses)
    }

    /// Appends a string as it is, and any other value but null as its JSON text, which is what `arguments` should be.
    private mutating func append(
        _ value: JSONValue, to field: WritableKeyPath<ToolCall, [UInt8]?>, of text: Span<UInt8>
    ) {
        if value.isNull { return }
        var content: [UInt8] = []
        if value.kind == .string {
            let string = JSONString(quoted: value.range, hasEscapes: true)
            losses.formUnion(JSONNormalizer.append(contentOf: string, of: text, to: &content))
        } else {
            content.appendJSONString(String(copying: text, value.range))
            content = Array(content.dropFirst().dropLast())
        }
        self[keyPath: field] = (self[keyPath: field] ?? []) + content
    }
}
