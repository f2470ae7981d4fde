extension [UInt8] {
    /// Appends `value` as a JSON string. U+0085, U+2028 and U+2029 are escaped, so that every reader sees a single
    /// line.
    package mutating func appendJSONString(_ value: String) {
        append(UInt8(ascii: "\""))
        defer { append(UInt8(ascii: "\"")) }
        var value = value
        let isPlain = value.withUTF8 { utf8 in
            guard utf8.allSatisfy(Self.isPlain) else { return false }
            append(contentsOf: utf8)
            return true
        }
        if isPlain { return }
        for scalar in value.unicodeScalars {
            switch scalar {
            case "\"": append(contentsOf: #"\""#.utf8)
            case "\\": append(contentsOf: #"\\"#.utf8)
            case "\n": append(contentsOf: #"\n"#.utf8)
            case "\r": append(contentsOf: #"\r"#.utf8)
            case "\t": append(contentsOf: #"\t"#.utf8)
            case "\u{0}"..<" ", "\u{85}", "\u{2028}", "\u{2029}": appendUnicodeEscape(UInt16(scalar.value))
            default: append(contentsOf: UTF8.encode(scalar) ?? UTF8.encodedReplacementCharacter)
            }
        }
    }

    /// Returns whether a byte is an ASCII character that needs no escape.
    private static func isPlain(_ byte: UInt8) -> Bool {
        (0x20..<0x80).contains(byte) && byte != UInt8(ascii: "\"") && byte != UInt8(ascii: "\\")
    }

    /// Appends `"name":`, after a comma unless an object or array has just been opened. ``JSONWriter`` is the better
    /// choice for text that is written in one place.
    package mutating func appendJSONKey(_ name: StaticString) {
        if let last, last != UInt8(ascii: "{"), last != UInt8(ascii: "[") { append(UInt8(ascii: ",")) }
        append(UInt8(ascii: "\""))
        name.withUTF8Buffer { append(contentsOf: $0) }
        append(UInt8(ascii: "\""))
        append(UInt8(ascii: ":"))
    }

    /// Appends the decimal digits of `value`, and a minus sign if it is negative.
    package mutating func appendDecimal(_ value: Int) {
        var digits = String(value)
        digits.withUTF8 { append(contentsOf: $0) }
    }

    /// Appends `\uXXXX`.
    package mutating func appendUnicodeEscape(_ unit: UInt16) {
        append(contentsOf: #"\u"#.utf8)
        for shift in [12, 8, 4, 0] as [UInt16] {
            append(Array("0123456789abcdef".utf8)[Int(unit >> shift & 0xF)])
        }
    }
}
