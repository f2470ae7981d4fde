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
        expected.withUnsafeBufferPointer { expected in
            if equals(expected, in: text) { return true }
            // Invalid UTF-8 decodes to U+FFFD, which begins with EF.
            return !hasEscapes && expected.contains(0xEF) && equalsUnescaped(expected, in: text)
        }
    }

    func equals(_ expected: UnsafeBufferPointer<UInt8>, in text: Span<UInt8>) -> Bool {
        if !hasEscapes { return text.equals(expected, at: content) }
        // Most strings have no escapes even if they may.
        if text.equals(expected, at: content) && !expected.contains(UInt8(ascii: "\\")) { return true }
        return equalsUnescaped(expected, in: text)
    }

    /// Compares byte by byte and stops at the first difference.
    private func equalsUnescaped(_ expected: UnsafeBufferPointer<UInt8>, in text: Span<UInt8>) -> Bool {
        // No byte of a value takes more than six in a text.
        guard content.count <= 6 * expected.count else { return false }
        var bytes = UnescapedBytes(content)
        for byte in expected where bytes.next(in: text) != byte { return false }
        return bytes.next(in: text) == nil
    }

    /// Returns the value. Escapes are resolved; lone surrogates and invalid UTF-8 become U+FFFD.
    package func decoded(in text: Span<UInt8>) -> String {
        guard hasEscapes, containsEscape(in: text) else { return String(copying: text, content) }
        return String(decoding: unescaped(in: text, limit: .max), as: UTF8.self)
    }

    /// Returns the value, or its beginning if that is longer than `limit` bytes of UTF-8.
    package func decoded(in text: Span<UInt8>, limit: Int) -> String {
        content.count <= limit
            ? decoded(in: text) : String(decoding: unescaped(in: text, limit: limit), as: UTF8.self)
    }

    private func containsEscape(in text: Span<UInt8>) -> Bool {
        for index in content where text[index] == UInt8(ascii: "\\") { return true }
        return false
    }

    private func unescaped(in text: Span<UInt8>, limit: Int) -> [UInt8] {
        var result: [UInt8] = []
        result.reserveCapacity(min(content.count, limit))
        var bytes = UnescapedBytes(content)
        while result.count < limit, let byte = bytes.next(in: text) { result.append(byte) }
        return result
    }
}
