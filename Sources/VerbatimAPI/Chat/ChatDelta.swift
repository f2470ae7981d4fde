import VerbatimJSON

/// Reads a `delta`, and reports what it contains.
struct ChatDelta {
    /// It is an object without members.
    private(set) var isEmpty = false
    /// Every member but the role is null or an empty text.
    private(set) var isBlank = false
    private(set) var hasRole = false

    init(
        with cursor: inout JSONCursor, of text: Span<UInt8>, choice: Int, sink: inout EffectSink<ChatReply>
    ) throws(JSONError) {
        guard try cursor.peekKind(in: text) == .object else {
            try cursor.skipValue(in: text)
            return
        }
        let isNormal = cursor.isNormal
        try cursor.enterObject(in: text)
        isEmpty = true
        isBlank = true
        while let key = try cursor.nextKey(in: text) {
            isEmpty = false
            let field = Self.field(key, of: text, choice: choice, sink: &sink, isNormal: isNormal)
            let kind = try cursor.peekKind(in: text)
            if kind == .array && key.equals("tool_calls", in: text) {
                isBlank = false
                try sink.change { reply throws(JSONError) in
                    try reply.changeMessage(ofChoice: choice) { message throws(JSONError) in
                        try message.readToolCalls(into: field, with: &cursor, of: text)
                    }
                }
                continue
            }
            if kind == .object && key.equals("function_call", in: text) {
                isBlank = false
                try sink.change { reply throws(JSONError) in
                    try reply.changeMessage(ofChoice: choice) { message throws(JSONError) in
                        try message.readFunctionCall(into: field, with: &cursor, of: text)
                    }
                }
                continue
            }
            let value = try cursor.skipValue(in: text)
            if key.equals("role", in: text) {
                if value.isNull { continue }
                hasRole = true
                sink.emit(
                    .setMessageField(choice: choice, field: field, value), of: text, isNormal: isNormal)
                continue
            }
            if !value.isNull && value.range.count > 2 { isBlank = false }
            if value.kind == .string {
                sink.emit(
                    .appendMessageText(choice: choice, field: field, value), of: text, isNormal: isNormal)
            } else if !value.isNull {
                try sink.change { reply throws(JSONError) in
                    try reply.changeMessage(ofChoice: choice) { message throws(JSONError) in
                        message.append(value, to: field, of: text)
                    }
                }
            }
        }
    }

    /// The place of the field that is named `key`, which is added if it is new.
    private static func field(
        _ key: JSONString, of text: Span<UInt8>, choice: Int, sink: inout EffectSink<ChatReply>, isNormal: Bool
    ) -> Int {
        if let known = sink.target.choices[choice].message.place(of: key, in: text) { return known }
        sink.emit(.addMessageField(choice: choice, key), of: text, isNormal: isNormal)
        return sink.target.choices[choice].message.fieldCount - 1
    }
}
