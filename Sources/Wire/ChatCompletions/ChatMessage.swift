import JSONBytes

/// A message put together from the deltas of a stream.
///
/// Texts are concatenated, tool calls merged by index, lists appended to; of anything else the last value that is not
/// null counts. Fields nobody has heard of are treated the same way.
struct ChatMessage: Sendable {
    private enum Content: Sendable {
        case null
        /// What stands between the quotes of the concatenated string.
        case text([UInt8])
        case list(JSONList)
        case value([UInt8])
        case calls([ToolCall])
        case call(ToolCall)
    }

    private struct Field: Sendable {
        /// As sent, quotes included.
        let key: [UInt8]
        var content: Content
    }

    private var fields: [Field] = []
    private(set) var losses: JSONNormalizer.Losses = []
    /// Whether a text, a list or a tool call has come that is not empty.
    private(set) var hasOutput = false

    /// Reads one delta; answers whether it is an object without members.
    mutating func read(with cursor: inout JSONCursor, of text: Span<UInt8>) throws(JSONError) -> Bool {
        guard try cursor.peekKind(in: text) == .object else {
            try cursor.skipValue(in: text)
            return false
        }
        try cursor.enterObject(in: text)
        var isEmpty = true
        while let key = try cursor.nextKey(in: text) {
            isEmpty = false
            let index = index(of: key, in: text)
            let isArray = try cursor.peekKind(in: text) == .array
            if isArray && key.equals("tool_calls", in: text) {
                try readToolCalls(into: index, with: &cursor, of: text)
            } else if key.equals("function_call", in: text), try cursor.peekKind(in: text) == .object {
                try readFunctionCall(into: index, with: &cursor, of: text)
            } else {
                let value = try cursor.skipValue(in: text)
                if key.equals("role", in: text) {
                    if !value.isNull { fields[index].content = .value(JSONNormalizer.normalized(value.range, of: text, losses: &losses)) }
                } else {
                    append(value, to: index, of: text)
                }
            }
        }
        return isEmpty
    }

    /// The message as a JSON object.
    var json: [UInt8] {
        var object = Array("{".utf8)
        if !fields.contains(where: { $0.key == Array(#""role""#.utf8) }) {
            object.append(contentsOf: #""role":"assistant""#.utf8)
        }
        for field in fields {
            if object.count > 1 { object.append(UInt8(ascii: ",")) }
            object.append(contentsOf: field.key)
            object.append(UInt8(ascii: ":"))
            switch field.content {
            case .null: object.append(contentsOf: "null".utf8)
            case .text(let text):
                object.append(UInt8(ascii: "\""))
                object.append(contentsOf: text)
                object.append(UInt8(ascii: "\""))
            case .list(let list): object.append(contentsOf: list.array)
            case .value(let value): object.append(contentsOf: value)
            case .call(let call): object.append(contentsOf: call.functionJSON)
            case .calls(let calls):
                var list = JSONList()
                for call in calls.sorted(by: { ($0.index ?? 0) < ($1.index ?? 0) }) { list.append(call.json) }
                object.append(contentsOf: list.array)
            }
        }
        object.append(UInt8(ascii: "}"))
        return object
    }

    // MARK: Fields

    private mutating func index(of key: JSONString, in text: Span<UInt8>) -> Int {
        for index in fields.indices where fields[index].key.count == key.quoted.count {
            let known = fields[index].key
            var same = true
            for offset in known.indices where known[offset] != text[key.quoted.lowerBound + offset] {
                same = false
                break
            }
            if same { return index }
        }
        fields.append(Field(key: JSONNormalizer.normalized(key.quoted, of: text), content: .null))
        return fields.count - 1
    }

    private mutating func append(_ value: JSONValue, to index: Int, of text: Span<UInt8>) {
        switch (value.kind, fields[index].content) {
        case (.null, _): break
        case (.string, .text(var known)):
            fields[index].content = .null
            append(value, to: &known, of: text)
            fields[index].content = .text(known)
        case (.string, .null):
            var new: [UInt8] = []
            append(value, to: &new, of: text)
            fields[index].content = .text(new)
        case (.array, .list(var list)):
            fields[index].content = .null
            appendElements(of: value, to: &list, of: text)
            fields[index].content = .list(list)
        case (.array, .null):
            var list = JSONList()
            appendElements(of: value, to: &list, of: text)
            fields[index].content = .list(list)
        default: fields[index].content = .value(JSONNormalizer.normalized(value.range, of: text, losses: &losses))
        }
    }

    private mutating func append(_ value: JSONValue, to known: inout [UInt8], of text: Span<UInt8>) {
        let string = JSONString(quoted: value.range, hasEscapes: true)
        if !string.content.isEmpty { hasOutput = true }
        losses.formUnion(JSONNormalizer.append(contentOf: string, of: text, to: &known))
    }

    private mutating func appendElements(of value: JSONValue, to list: inout JSONList, of text: Span<UInt8>) {
        var cursor = JSONCursor(at: value.range.lowerBound, options: .nonFiniteNumbers)
        // The list has been passed before, so that walking it again cannot fail.
        guard (try? cursor.enterArray(in: text)) != nil else { return }
        while (try? cursor.nextElement(in: text)) ?? false {
            guard let element = try? cursor.skipValue(in: text) else { return }
            losses.formUnion(list.append(element.range, of: text))
            hasOutput = true
        }
    }

    // MARK: Tool calls

    private mutating func readToolCalls(
        into index: Int, with cursor: inout JSONCursor, of text: Span<UInt8>
    ) throws(JSONError) {
        var calls: [ToolCall] = []
        if case .calls(let known) = fields[index].content { calls = known }
        fields[index].content = .null
        defer { fields[index].content = .calls(calls) }
        try cursor.enterArray(in: text)
        while try cursor.nextElement(in: text) {
            guard try cursor.peekKind(in: text) == .object else {
                try cursor.skipValue(in: text)
                continue
            }
            let fragment = try ToolCall(fragmentWith: &cursor, of: text)
            losses.formUnion(fragment.losses)
            fragment.join(&calls)
            hasOutput = true
        }
    }

    /// The old, single form of a tool call.
    private mutating func readFunctionCall(
        into index: Int, with cursor: inout JSONCursor, of text: Span<UInt8>
    ) throws(JSONError) {
        let fragment = try ToolCall(functionWith: &cursor, of: text)
        losses.formUnion(fragment.losses)
        hasOutput = true
        if case .call(var known) = fields[index].content {
            known.append(fragment)
            fields[index].content = .call(known)
        } else {
            fields[index].content = .call(fragment)
        }
    }
}
