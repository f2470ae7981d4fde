/// A value in a text: its kind and the range of its bytes. Nothing is decoded.
package struct JSONValue: Hashable, Sendable {
    package let kind: JSONKind
    package let range: Range<Int>

    package init(kind: JSONKind, range: Range<Int>) {
        self.kind = kind
        self.range = range
    }

    package var isNull: Bool { kind == .null }

    /// In bytes. The time that the system takes for a number grows faster than its length.
    private static let longestNumber = 2048

    /// The value as an integer; nil for other kinds, for fractions and exponents, and for numbers that do not fit.
    package func int(in text: Span<UInt8>) -> Int? {
        guard kind == .number else { return nil }
        var index = range.lowerBound
        let negative = text[index] == UInt8(ascii: "-")
        if negative { index += 1 }
        // Count downwards: the least integer is farther from zero than the greatest.
        var result = 0
        while index < range.upperBound {
            let byte = text[index]
            guard byte >= UInt8(ascii: "0"), byte <= UInt8(ascii: "9") else { return nil }
            let (product, tooLarge) = result.multipliedReportingOverflow(by: 10)
            let (difference, overflow) = product.subtractingReportingOverflow(Int(byte - UInt8(ascii: "0")))
            if tooLarge || overflow { return nil }
            result = difference
            index += 1
        }
        if negative { return result }
        return result == .min ? nil : -result
    }

    /// The value as a floating-point number; nil for other kinds, and for a text that is longer than any number needs.
    package func double(in text: Span<UInt8>) -> Double? {
        guard kind == .number, range.count <= Self.longestNumber else { return nil }
        return Double(String(copying: text, range))
    }

    /// The value as a string, with escapes resolved; nil for other kinds.
    package func string(in text: Span<UInt8>) -> String? {
        guard kind == .string else { return nil }
        return JSONString(quoted: range, hasEscapes: true).decoded(in: text)
    }

    /// Returns whether the value is the string `expected`, however it is escaped.
    package func equals(_ expected: StaticString, in text: Span<UInt8>) -> Bool {
        kind == .string && JSONString(quoted: range, hasEscapes: true).equals(expected, in: text)
    }

    /// The offset of the `e` or `E` of a number; nil if it has none.
    package func exponent(in text: Span<UInt8>) -> Int? {
        guard kind == .number else { return nil }
        return text.extracting(range).withUnsafeBufferPointer { offsetOfExponent(in: $0) }
            .map { range.lowerBound + $0 }
    }

    /// The bytes of the value, unchanged.
    package func bytes(in text: Span<UInt8>) -> [UInt8] { [UInt8](copying: text, range) }
}
