import VerbatimJSON

/// A message put together from the deltas of a stream.
///
/// Texts are concatenated, tool calls merged by index, lists appended to; of anything else the last value that is not
/// null counts. Fields nobody has heard of are treated the same way.
struct ChatMessage: Sendable {
    /// One field, as far as it has come. What it holds is changed in place: it may grow with every event.
    private struct Field: Sendable {
        enum Kind { case null, text, list, value, calls, call }

        /// As sent, quotes included.
        let key: [UInt8]
        var kind = Kind.null
        /// What stands between the quotes of a text, or the JSON text of another value.
        var text = ByteRope()
        var list = JSONList()
        var calls: [ToolCall] = []

        init(key: [UInt8]) { self.key = key }

        func isNamed(_ names: String...) -> Bool {
            names.contains { key.dropFirst().dropLast().elementsEqual($0.utf8) }
        }

        mutating func set(_ value: [UInt8]) {
            kind = .value
            text = ByteRope(value)
        }
    }

    private var fields: [Field] = []
    private(set) var losses: JSONNormalizer.Losses = []
    /// Whether a text, a list or a tool call has come that is not empty.
    private(set) var hasOutput = false

    /// What a delta brings.
    struct Delta {
        /// It is an object without members.
        var isEmpty = false
        /// Every member but the role is null or an empty text.
        var isBlank = false
        var hasRole = false
    }

    /// Reads one delta.
    mutating func read(
        with cursor: inout JSONCursor, of text: Span<UInt8>, notes: inout EventNotes?
    ) throws(JSONError) -> Delta {
        var delta = Delta()
        guard try cursor.peekKind(in: text) == .object else {
            try cursor.skipValue(in: text)
            return delta
        }
        try cursor.enterObject(in: text)
        delta.isEmpty = true
        delta.isBlank = true
        while let key = try cursor.nextKey(in: text) {
            delta.isEmpty = false
            let index = index(of: key, in: text)
            let isArray = try cursor.peekKind(in: text) == .array
            if isArray && key.equals("tool_calls", in: text) {
                delta.isBlank = false
                notes?.isComplete = false
                try readToolCalls(into: index, with: &cursor, of: text)
            } else if key.equals("function_call", in: text), try cursor.peekKind(in: text) == .object {
                delta.isBlank = false
                notes?.isComplete = false
                try readFunctionCall(into: index, with: &cursor, of: text)
            } else {
                let value = try cursor.skipValue(in: text)
                if key.equals("role", in: text) {
                    if !value.isNull { fields[index].set(normalized(value, of: text)) }
                    if !value.isNull { delta.hasRole = true }
                } else {
                    if !value.isNull && value.range.count > 2 { delta.isBlank = false }
                    if value.kind == .string {
                        notes?.texts.append((index, value))
                    } else if !value.isNull {
                        notes?.isComplete = false
                    }
                    append(value, to: index, of: text)
                }
            }
        }
        return delta
    }

    /// Whether more was generated than the visible text: reasoning or tool calls.
    var hasHiddenParts: Bool {
        fields.contains { field in
            switch field.kind {
            case .call, .calls: !field.calls.isEmpty
            case .text: field.isNamed("reasoning", "reasoning_content") && !field.text.isEmpty
            case .null, .list, .value: false
            }
        }
    }

    /// The length of the visible text, in bytes of its JSON form.
    var visibleLength: Int {
        fields.reduce(0) { $0 + ($1.isNamed("content", "refusal") ? $1.text.count : 0) }
    }

    /// Appends the message as a JSON object.
    func append(to rope: inout ByteRope) {
        rope.append("{")
        var isFirst = true
        if !fields.contains(where: { $0.isNamed("role") }) {
            rope.append(#""role":"assistant""#)
            isFirst = false
        }
        for field in fields {
            if !isFirst { rope.append(",") }
            isFirst = false
            rope.append(field.key)
            rope.append(":")
            switch field.kind {
            case .null: rope.append("null")
            case .text:
                rope.append("\"")
                rope.append(field.text)
                rope.append("\"")
            case .list: rope.append(field.list)
            case .value: rope.append(field.text)
            case .call: rope.append(field.calls[0].functionJSON)
            case .calls:
                var list = JSONList()
                for call in field.calls.sorted(by: { ($0.index ?? 0) < ($1.index ?? 0) }) { list.append(call.json) }
                rope.append(list)
            }
        }
        rope.append("}")
    }

    // MARK: Fields

    private mutating func index(of key: JSONString, in text: Span<UInt8>) -> Int {
        // By place: what looks at elements copies them.
        for index in fields.indices where fields[index].key.equals(key.quoted, of: text) { return index }
        fields.append(Field(key: JSONNormalizer.normalized(key.quoted, of: text)))
        return fields.count - 1
    }

    /// Appends a value to the field at `index`.
    mutating func append(_ value: JSONValue, to index: Int, of text: Span<UInt8>) {
        switch (value.kind, fields[index].kind) {
        case (.null, _): break
        case (.string, .null), (.string, .text):
            let string = JSONString(quoted: value.range, hasEscapes: true)
            if !string.content.isEmpty { hasOutput = true }
            fields[index].kind = .text
            losses.formUnion(fields[index].text.append(contentOf: string, of: text))
        case (.array, .null), (.array, .list):
            fields[index].kind = .list
            appendElements(of: value, to: index, of: text)
        default: fields[index].set(normalized(value, of: text))
        }
    }

    private mutating func appendElements(of value: JSONValue, to index: Int, of text: Span<UInt8>) {
        var cursor = JSONCursor(at: value.range.lowerBound, options: .nonFiniteNumbers)
        // The list has been passed before, so that walking it again cannot fail.
        guard (try? cursor.enterArray(in: text)) != nil else { return }
        while (try? cursor.nextElement(in: text)) ?? false {
            guard let element = try? cursor.skipValue(in: text) else { return }
            losses.formUnion(fields[index].list.append(element.range, of: text))
            hasOutput = true
        }
    }

    private mutating func normalized(_ value: JSONValue, of text: Span<UInt8>) -> [UInt8] {
        JSONNormalizer.normalized(value.range, of: text, losses: &losses)
    }

    // MARK: Tool calls

    private mutating func readToolCalls(
        into index: Int, with cursor: inout JSONCursor, of text: Span<UInt8>
    ) throws(JSONError) {
        fields[index].kind = .calls
        try cursor.enterArray(in: text)
        while try cursor.nextElement(in: text) {
            guard try cursor.peekKind(in: text) == .object else {
                try cursor.skipValue(in: text)
                continue
            }
            let fragment = try ToolCall(fragmentWith: &cursor, of: text)
            losses.formUnion(fragment.losses)
            fragment.join(&fields[index].calls)
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
        fields[index].kind = .call
        if fields[index].calls.isEmpty {
            fields[index].calls.append(fragment)
        } else {
            fields[index].calls[0].append(fragment)
        }
    }
}
