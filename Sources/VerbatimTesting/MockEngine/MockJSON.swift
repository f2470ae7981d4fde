/// A small, tolerant JSON reader for scripts whose answer depends on the request.
///
/// It shares no code with the proxy, so that the two can be compared. Numbers keep their text. Of duplicate keys the
/// last counts, as it does for the engines.
package indirect enum MockJSON: Sendable, Equatable {
    case null
    case bool(Bool)
    /// The number as it is written.
    case number(String)
    case string(String)
    case array([MockJSON])
    case object([(key: String, value: MockJSON)])

    /// Reads a whole document. Returns nil unless the bytes are one JSON value and white space.
    package static func parse(_ bytes: [UInt8]) -> MockJSON? {
        var reader = Reader(bytes: bytes)
        guard let value = reader.value() else { return nil }
        reader.skipSpace()
        return reader.index == bytes.count ? value : nil
    }

    package static func == (left: MockJSON, right: MockJSON) -> Bool {
        switch (left, right) {
        case (.null, .null): true
        case (.bool(let left), .bool(let right)): left == right
        case (.number(let left), .number(let right)): left == right
        case (.string(let left), .string(let right)): left == right
        case (.array(let left), .array(let right)): left == right
        case (.object(let left), .object(let right)):
            left.elementsEqual(right) { $0.key == $1.key && $0.value == $1.value }
        default: false
        }
    }

    // MARK: Members and elements

    /// The member called `key`, or nil if this is not an object or has none.
    package subscript(key: String) -> MockJSON? {
        guard case .object(let members) = self else { return nil }
        return members.last { $0.key == key }?.value
    }

    /// The element at `index`, or nil if this is not an array or is shorter.
    package subscript(index: Int) -> MockJSON? {
        elements.indices.contains(index) ? elements[index] : nil
    }

    /// The names of an object's members, in order.
    package var keys: [String] {
        if case .object(let members) = self { members.map(\.key) } else { [] }
    }

    /// The elements of an array; empty for anything else.
    package var elements: [MockJSON] {
        if case .array(let elements) = self { elements } else { [] }
    }

    package var stringValue: String? {
        if case .string(let text) = self { text } else { nil }
    }

    package var intValue: Int? {
        if case .number(let text) = self { Int(text) } else { nil }
    }

    package var boolValue: Bool? {
        if case .bool(let value) = self { value } else { nil }
    }

    // MARK: Writing

    /// `text` as a JSON string with its quotes. Only what must be escaped is escaped, as engines do.
    package static func quoted(_ text: String) -> String {
        var result = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": result += "\\\""
            case "\\": result += "\\\\"
            case "\n": result += "\\n"
            case "\r": result += "\\r"
            case "\t": result += "\\t"
            case "\u{8}": result += "\\b"
            case "\u{c}": result += "\\f"
            case ..<" ": result += "\\u00" + (scalar.value < 16 ? "0" : "") + String(scalar.value, radix: 16)
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result + "\""
    }
}

/// Recursive descent over the bytes. Every function leaves `index` after what it has read, or returns nil.
private struct Reader {
    let bytes: [UInt8]
    var index = 0
    var depth = 0

    mutating func value() -> MockJSON? {
        skipSpace()
        guard depth < 200, index < bytes.count else { return nil }
        depth += 1
        defer { depth -= 1 }
        switch bytes[index] {
        case UInt8(ascii: "{"): return object()
        case UInt8(ascii: "["): return array()
        case UInt8(ascii: "\""): return string().map(MockJSON.string)
        case UInt8(ascii: "t"): return word("true", .bool(true))
        case UInt8(ascii: "f"): return word("false", .bool(false))
        case UInt8(ascii: "n"): return word("null", .null)
        default: return number()
        }
    }

    mutating func skipSpace() {
        while index < bytes.count, [9, 10, 13, 32].contains(bytes[index]) { index += 1 }
    }

    /// Skips white space and takes `byte` if it is next.
    private mutating func take(_ byte: Unicode.Scalar) -> Bool {
        skipSpace()
        guard index < bytes.count, bytes[index] == UInt8(ascii: byte) else { return false }
        index += 1
        return true
    }

    private mutating func word(_ word: String, _ value: MockJSON) -> MockJSON? {
        guard bytes[index...].starts(with: word.utf8) else { return nil }
        index += word.utf8.count
        return value
    }

    private mutating func number() -> MockJSON? {
        let start = index
        while index < bytes.count, "+-.0123456789Ee".utf8.contains(bytes[index]) { index += 1 }
        return index > start ? .number(String(decoding: bytes[start..<index], as: UTF8.self)) : nil
    }

    private mutating func array() -> MockJSON? {
        index += 1
        var elements: [MockJSON] = []
        if take("]") { return .array([]) }
        repeat {
            guard let element = value() else { return nil }
            elements.append(element)
        } while take(",")
        return take("]") ? .array(elements) : nil
    }

    private mutating func object() -> MockJSON? {
        index += 1
        var members: [(key: String, value: MockJSON)] = []
        if take("}") { return .object([]) }
        repeat {
            skipSpace()
            guard index < bytes.count, bytes[index] == UInt8(ascii: "\""), let key = string(), take(":"),
                let member = value()
            else { return nil }
            members.append((key, member))
        } while take(",")
        return take("}") ? .object(members) : nil
    }

    private mutating func string() -> String? {
        index += 1
        var units: [UInt8] = []
        while index < bytes.count {
            let byte = bytes[index]
            index += 1
            switch byte {
            case UInt8(ascii: "\""): return String(decoding: units, as: UTF8.self)
            case UInt8(ascii: "\\"):
                guard let scalar = escape() else { return nil }
                units.append(contentsOf: Character(scalar).utf8)
            default: units.append(byte)
            }
        }
        return nil
    }

    private mutating func escape() -> Unicode.Scalar? {
        guard index < bytes.count else { return nil }
        index += 1
        switch bytes[index - 1] {
        case UInt8(ascii: "n"): return "\n"
        case UInt8(ascii: "r"): return "\r"
        case UInt8(ascii: "t"): return "\t"
        case UInt8(ascii: "b"): return "\u{8}"
        case UInt8(ascii: "f"): return "\u{c}"
        case UInt8(ascii: "u"): return unicodeEscape()
        case let other: return Unicode.Scalar(other)
        }
    }

    private mutating func unicodeEscape() -> Unicode.Scalar? {
        guard let unit = hexUnit() else { return nil }
        guard UTF16.isLeadSurrogate(unit) else { return Unicode.Scalar(unit) ?? "\u{fffd}" }
        let start = index
        guard bytes[index...].starts(with: "\\u".utf8) else { return "\u{fffd}" }
        index += 2
        guard let trail = hexUnit() else { return nil }
        guard UTF16.isTrailSurrogate(trail) else {
            index = start
            return "\u{fffd}"
        }
        return Unicode.Scalar(0x10000 + ((UInt32(unit) - 0xd800) << 10) + (UInt32(trail) - 0xdc00))
    }

    private mutating func hexUnit() -> UInt16? {
        guard index + 4 <= bytes.count else { return nil }
        defer { index += 4 }
        return UInt16(String(decoding: bytes[index..<(index + 4)], as: UTF8.self), radix: 16)
    }
}
