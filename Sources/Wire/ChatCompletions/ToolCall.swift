import JSONBytes

/// A tool call, whole or a fragment of one: name and arguments are concatenated, other fields replaced.
struct ToolCall: Sendable {
    private(set) var index: Int
    private var fields = FieldBag()
    private var function = FieldBag()
    /// What stands between the quotes.
    private var name: [UInt8]?
    private var arguments: [UInt8]?

    /// Reads an element of `tool_calls`. Engines that send no index mean the element's position.
    init(fragmentWith cursor: inout JSONCursor, of text: Span<UInt8>, position: Int) throws(JSONError) {
        index = position
        guard try cursor.peekKind(in: text) == .object else {
            try cursor.skipValue(in: text)
            return
        }
        try cursor.enterObject(in: text)
        while let key = try cursor.nextKey(in: text) {
            if key.equals("function", in: text), try cursor.peekKind(in: text) == .object {
                try readFunction(with: &cursor, of: text)
                continue
            }
            let value = try cursor.skipValue(in: text)
            if key.equals("index", in: text), let number = value.int(in: text) {
                index = number
            } else {
                fields.put(key, value, of: text)
            }
        }
    }

    /// Reads a `function_call`.
    init(functionWith cursor: inout JSONCursor, of text: Span<UInt8>) throws(JSONError) {
        index = 0
        try readFunction(with: &cursor, of: text)
    }

    /// Takes in a further fragment.
    mutating func append(_ fragment: ToolCall) {
        fields.merge(fragment.fields)
        function.merge(fragment.function)
        if let more = fragment.name { name = (name ?? []) + more }
        if let more = fragment.arguments {
            if arguments == nil { arguments = more } else { arguments?.append(contentsOf: more) }
        }
    }

    var json: [UInt8] {
        var object = Array("{".utf8)
        fields.append(to: &object)
        if object.count > 1 { object.append(UInt8(ascii: ",")) }
        object.append(contentsOf: #""function":"#.utf8)
        object.append(contentsOf: functionJSON)
        object.append(UInt8(ascii: "}"))
        return object
    }

    var functionJSON: [UInt8] {
        var object = Array("{".utf8)
        object.append(contentsOf: #""name":""#.utf8)
        object.append(contentsOf: name ?? [])
        object.append(contentsOf: #"","arguments":""#.utf8)
        object.append(contentsOf: arguments ?? [])
        object.append(UInt8(ascii: "\""))
        function.append(to: &object)
        object.append(UInt8(ascii: "}"))
        return object
    }

    private mutating func readFunction(with cursor: inout JSONCursor, of text: Span<UInt8>) throws(JSONError) {
        try cursor.enterObject(in: text)
        while let key = try cursor.nextKey(in: text) {
            let value = try cursor.skipValue(in: text)
            if key.equals("name", in: text) {
                append(value, to: &name, of: text)
            } else if key.equals("arguments", in: text) {
                append(value, to: &arguments, of: text)
            } else {
                function.put(key, value, of: text)
            }
        }
    }

    /// A string is taken as it is; any other value but null as its own text, since that is what `arguments` should be.
    private func append(_ value: JSONValue, to field: inout [UInt8]?, of text: Span<UInt8>) {
        if value.isNull { return }
        var content: [UInt8] = []
        if value.kind == .string {
            JSONNormalizer.append(contentOf: JSONString(quoted: value.range, hasEscapes: true), of: text, to: &content)
        } else {
            content.appendJSONString(String(copying: text, value.range))
            content = Array(content.dropFirst().dropLast())
        }
        field = (field ?? []) + content
    }
}
