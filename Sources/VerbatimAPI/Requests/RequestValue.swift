import VerbatimJSON

extension RequestFields {
    /// A JSON value in a request. Nothing is copied until ``text`` is asked for.
    struct Value {
        private let bytes: [UInt8]
        private let value: JSONValue

        /// - Parameter bytes: The text that `value` is in.
        init(_ value: JSONValue, of bytes: [UInt8]) {
            self.value = value
            self.bytes = bytes
        }

        /// - Parameter text: A JSON text.
        init(text: [UInt8]) {
            var cursor = JSONCursor()
            bytes = text
            value = (try? cursor.skipValue(in: text.span)) ?? JSONValue(kind: .null, range: 0..<0)
        }

        /// The JSON text of the value.
        var text: [UInt8] { value.bytes(in: bytes.span) }
        var isNull: Bool { value.isNull }
        var isTrue: Bool { value.kind == .true }
        var isFalse: Bool { value.kind == .false }
        var isArray: Bool { value.kind == .array }
        var isNumberOrBoolean: Bool { isTrue || isFalse || number != nil }
        var isObject: Bool { value.kind == .object }
        /// The beginning of a text. No name that matters is longer.
        var string: String? {
            guard value.kind == .string else { return nil }
            return JSONString(quoted: value.range, hasEscapes: true)
                .decoded(in: bytes.span, limit: Self.longestName)
        }
        var number: Double? { value.double(in: bytes.span) }
        /// A number without a fraction and not below 0, however it is written.
        var naturalNumber: Double? { number.flatMap { $0 >= 0 && $0 == $0.rounded() ? $0 : nil } }
        var isNonEmptyArray: Bool { firstElementKind != nil }
        /// A list that the engine reads for a few names is not this large. It is left alone.
        var isTooLarge: Bool { value.range.count > Self.longestList }

        /// In bytes.
        private static let longestName = 4 << 10
        private static let longestList = 256 << 10

        /// The kind of an array's first element; nil if it is empty or the value is no array.
        var firstElementKind: JSONKind? {
            guard var cursor = enteredArray else { return nil }
            guard (try? cursor.nextElement(in: bytes.span)) ?? false else { return nil }
            return try? cursor.peekKind(in: bytes.span)
        }

        /// The number of an array's elements; nil for any other value.
        var elementCount: Int? {
            guard var cursor = enteredArray else { return nil }
            var count = 0
            while (try? cursor.nextElement(in: bytes.span)) ?? false {
                guard (try? cursor.skipValue(in: bytes.span)) != nil else { return nil }
                count += 1
            }
            return count
        }

        /// Whether the value is an array that holds the string `member`.
        func holds(_ member: String) -> Bool {
            guard !isTooLarge, var cursor = enteredArray else { return false }
            let member = Array(member.utf8)
            while (try? cursor.nextElement(in: bytes.span)) ?? false {
                guard let element = try? cursor.skipValue(in: bytes.span) else { return false }
                let string = JSONString(quoted: element.range, hasEscapes: true)
                if element.kind == .string && string.equals(member, in: bytes.span) { return true }
            }
            return false
        }

        /// A member of an object.
        func member(_ name: String) -> Value? {
            let text = text
            guard let object = try? SelectedMembers(document: text.span, named: MemberNames([name])) else { return nil }
            return object.value(name, in: text.span).map { Value($0, of: text) }
        }

        /// The text of an object with a member set.
        func setting(_ name: String, to value: [UInt8]) -> [UInt8]? {
            let text = text
            let names = MemberNames([name])
            guard let object = try? SelectedMembers(document: text.span, named: names) else { return nil }
            var edits = JSONEdits()
            edits.update(object, of: text.span, setting: [(name, value)])
            return edits.applied(to: text.span)
        }

        func equals(_ text: [UInt8]) -> Bool { text.equals(value.range, of: bytes.span) }

        /// A cursor after the `[` of an array.
        private var enteredArray: JSONCursor? {
            guard value.kind == .array else { return nil }
            var cursor = JSONCursor(at: value.range.lowerBound)
            return (try? cursor.enterArray(in: bytes.span)) == nil ? nil : cursor
        }
    }
}
