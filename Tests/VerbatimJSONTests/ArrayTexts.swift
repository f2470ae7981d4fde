import VerbatimJSON

// `#expect` cannot expand a call with a span among its arguments. These are the same calls with an array.

extension JSONCursor {
    mutating func enterObject(in text: [UInt8]) throws(JSONError) { try enterObject(in: text.span) }
    mutating func enterArray(in text: [UInt8]) throws(JSONError) { try enterArray(in: text.span) }
    mutating func nextKey(in text: [UInt8]) throws(JSONError) -> JSONString? { try nextKey(in: text.span) }
    mutating func nextElement(in text: [UInt8]) throws(JSONError) -> Bool { try nextElement(in: text.span) }
    mutating func peekKind(in text: [UInt8]) throws(JSONError) -> JSONKind { try peekKind(in: text.span) }
    mutating func skipString(in text: [UInt8]) throws(JSONError) -> JSONString { try skipString(in: text.span) }
    mutating func expectEnd(in text: [UInt8]) throws(JSONError) { try expectEnd(in: text.span) }

    @discardableResult
    mutating func skipValue(in text: [UInt8]) throws(JSONError) -> JSONValue { try skipValue(in: text.span) }
}

extension JSONOutline {
    mutating func take(of text: [UInt8]) -> Bool { take(of: text.span) }

    /// Takes the outline of `text`; nil if `text` is not JSON.
    init?(of text: [UInt8]) {
        self.init()
        guard take(of: text.span) else { return nil }
    }
}

extension JSONObject {
    init?(scanning text: [UInt8], at offset: Int = 0, options: JSONCursor.Options = []) throws(JSONError) {
        try self.init(scanning: text.span, at: offset, options: options)
    }

    init?(with cursor: inout JSONCursor, in text: [UInt8]) throws(JSONError) {
        try self.init(with: &cursor, in: text.span)
    }

    init?(document text: [UInt8], options: JSONCursor.Options = []) throws(JSONError) {
        try self.init(document: text.span, options: options)
    }

    func member(_ name: StaticString, in text: [UInt8]) -> Member? { member(name, in: text.span) }
    func member(named name: String, in text: [UInt8]) -> Member? { member(named: name, in: text.span) }
    func value(_ name: StaticString, in text: [UInt8]) -> JSONValue? { value(name, in: text.span) }
}

extension JSONString {
    func decoded(in text: [UInt8]) -> String { decoded(in: text.span) }
    func equals(_ expected: StaticString, in text: [UInt8]) -> Bool { equals(expected, in: text.span) }
    func equals(_ expected: [UInt8], in text: [UInt8]) -> Bool { equals(expected, in: text.span) }
}

extension JSONValue {
    func int(in text: [UInt8]) -> Int? { int(in: text.span) }
    func double(in text: [UInt8]) -> Double? { double(in: text.span) }
    func string(in text: [UInt8]) -> String? { string(in: text.span) }
    func bytes(in text: [UInt8]) -> [UInt8] { bytes(in: text.span) }
    func equals(_ expected: StaticString, in text: [UInt8]) -> Bool { equals(expected, in: text.span) }
}

extension JSONEdits {
    mutating func update(
        _ object: JSONObject,
        of text: [UInt8],
        setting values: [(name: String, value: [UInt8])],
        removing removed: [String] = []
    ) {
        update(object, of: text.span, setting: values, removing: removed)
    }

    mutating func applied(to text: [UInt8]) -> [UInt8] { applied(to: text.span) }
}

extension JSONNormalizer {
    static func append(_ range: Range<Int>, of text: [UInt8], to line: inout [UInt8]) -> Losses {
        append(range, of: text.span, to: &line)
    }

    static func append(contentOf string: JSONString, of text: [UInt8], to line: inout [UInt8]) -> Losses {
        append(contentOf: string, of: text.span, to: &line)
    }

    static func normalized(_ range: Range<Int>, of text: [UInt8]) -> [UInt8] { normalized(range, of: text.span) }
}
