import VerbatimPlatform

/// A string in a text: the range of its bytes. Nothing is decoded.
package struct JSONString: Hashable, Sendable {
    /// The bytes of the string, quotes included.
    package let quoted: Range<Int>

    /// False only if the string is known to contain no backslash.
    package let hasEscapes: Bool

    package init(quoted: Range<Int>, hasEscapes: Bool) {
        self.quoted = quoted
        self.hasEscapes = hasEscapes
    }

    /// The bytes between the quotes.
    package var content: Range<Int> { quoted.lowerBound + 1..<quoted.upperBound - 1 }

    /// Returns whether the string's value is `expected`: `"log\u0070robs"` equals `logprobs`.
    @inlinable
    @inline(__always)
    package func equals(_ expected: StaticString, in text: Span<UInt8>) -> Bool {
        // The length or the first byte nearly always decides.
        if !hasEscapes {
            let start = quoted.lowerBound &+ 1
            guard quoted.upperBound &- start &- 1 == expected.utf8CodeUnitCount,
                expected.utf8CodeUnitCount == 0 || text[start] == expected.utf8Start.pointee
            else { return false }
        }
        return equalsSlowly(expected, in: text)
    }

    @usableFromInline
    func equalsSlowly(_ expected: StaticString, in text: Span<UInt8>) -> Bool {
        equals(UnsafeBufferPointer(start: expected.utf8Start, count: expected.utf8CodeUnitCount), in: text)
    }

    /// Returns whether the string's value is `expected`, given as UTF-8.
    package func equals(_ expected: [UInt8], in text: Span<UInt8>) -> Bool {
        if expected.withUnsafeBufferPointer({ equals($0, in: text) }) { return true }
        // Invalid UTF-8 decodes to U+FFFD, which begins with EF.
        return expected.contains(0xEF) && decoded(in: text).utf8.elementsEqual(expected)
    }

    func equals(_ expected: UnsafeBufferPointer<UInt8>, in text: Span<UInt8>) -> Bool {
        if hasEscapes && containsEscape(in: text) { return decoded(in: text).utf8.elementsEqual(expected) }
        return text.equals(expected, at: content)
    }

    private func containsEscape(in text: Span<UInt8>) -> Bool {
        for index in content where text[index] == UInt8(ascii: "\\") { return true }
        return false
    }

    /// Returns the value. Escapes are resolved; lone surrogates and invalid UTF-8 become U+FFFD.
    package func decoded(in text: Span<UInt8>) -> String {
        guard hasEscapes, containsEscape(in: text) else { return String(copying: text, content) }
        var bytes: [UInt8] = []
        bytes.reserveCapacity(content.count)
        var index = content.lowerBound
        while index < content.upperBound {
            let byte = text[index]
            guard byte == UInt8(ascii: "\\"), index + 1 < content.upperBound else {
                bytes.append(byte)
                index += 1
                continue
            }
            switch text[index + 1] {
            case UInt8(ascii: "n"): bytes.append(0x0A)
            case UInt8(ascii: "t"): bytes.append(0x09)
            case UInt8(ascii: "r"): bytes.append(0x0D)
            case UInt8(ascii: "b"): bytes.append(0x08)
            case UInt8(ascii: "f"): bytes.append(0x0C)
            case UInt8(ascii: "u"):
                index = appendScalar(to: &bytes, escapeAt: index, in: text)
                continue
            case let other: bytes.append(other)
            }
            index += 2
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// Resolves `\uXXXX`, or two of them that form a surrogate pair, and returns the offset after it.
    private func appendScalar(to bytes: inout [UInt8], escapeAt index: Int, in text: Span<UInt8>) -> Int {
        let first = hexUnit(at: index + 2, in: text)
        var end = index + 6
        var scalar = Unicode.Scalar(first)
        if (0xD800..<0xDC00).contains(first), end + 6 <= content.upperBound,
            text[end] == UInt8(ascii: "\\"), text[end + 1] == UInt8(ascii: "u")
        {
            let second = hexUnit(at: end + 2, in: text)
            if (0xDC00..<0xE000).contains(second) {
                scalar = Unicode.Scalar(0x10000 + (first - 0xD800) << 10 + (second - 0xDC00))
                end += 6
            }
        }
        bytes.append(contentsOf: String(Character(scalar ?? "\u{FFFD}")).utf8)
        return end
    }

    private func hexUnit(at index: Int, in text: Span<UInt8>) -> UInt32 {
        var unit: UInt32 = 0
        for offset in index..<min(index + 4, content.upperBound) {
            unit = unit << 4 | UInt32(hexDigitValue(text[offset]) ?? 0)
        }
        return unit
    }
}
