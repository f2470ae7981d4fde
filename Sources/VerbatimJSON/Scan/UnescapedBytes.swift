import VerbatimPlatform

/// The value of a string, byte by byte: escapes are resolved; lone surrogates and invalid UTF-8 become U+FFFD.
///
/// No memory is needed, however long the string is. A caller that knows enough after a few bytes can stop.
struct UnescapedBytes {
    private var index: Int
    private let end: Int
    /// The rest of a character of several bytes, the next byte lowest.
    private var pending: UInt32 = 0

    /// - Parameter content: The bytes between the quotes.
    init(_ content: Range<Int>) {
        index = content.lowerBound
        end = content.upperBound
    }

    /// The text is the same each time.
    @inline(__always)
    mutating func next(in text: Span<UInt8>) -> UInt8? {
        if pending != 0 {
            let byte = UInt8(truncatingIfNeeded: pending)
            pending >>= 8
            return byte
        }
        guard index < end else { return nil }
        let byte = text[index]
        if byte < 0x80 && byte != UInt8(ascii: "\\") {
            index += 1
            return byte
        }
        return begin(byte, in: text)
    }

    /// Begins a character that takes more than one byte, here or in the text.
    @inline(never)
    private mutating func begin(_ byte: UInt8, in text: Span<UInt8>) -> UInt8 {
        if byte != UInt8(ascii: "\\") {
            let (length, isValid) = utf8Sequence(in: text, at: index)
            defer { index += length }
            guard isValid else { return begin(scalar: 0xFFFD) }
            for offset in (1..<length).reversed() { pending = pending << 8 | UInt32(text[index + offset]) }
            return byte
        }
        guard index + 1 < end else {
            index += 1
            return byte
        }
        let escaped = text[index + 1]
        if escaped == UInt8(ascii: "u") { return begin(scalar: nextScalar(in: text)) }
        index += 2
        return switch escaped {
        case UInt8(ascii: "n"): 0x0A
        case UInt8(ascii: "t"): 0x09
        case UInt8(ascii: "r"): 0x0D
        case UInt8(ascii: "b"): 0x08
        case UInt8(ascii: "f"): 0x0C
        default: escaped
        }
    }

    /// Steps over `\uXXXX`, or over two of them that form a surrogate pair.
    private mutating func nextScalar(in text: Span<UInt8>) -> UInt32 {
        let first = unit(at: index + 2, in: text)
        index += 6
        guard (0xD800..<0xE000).contains(first) else { return first }
        if first < 0xDC00, index + 6 <= end, text[index] == UInt8(ascii: "\\"), text[index + 1] == UInt8(ascii: "u") {
            let second = unit(at: index + 2, in: text)
            if (0xDC00..<0xE000).contains(second) {
                index += 6
                return 0x10000 + (first - 0xD800) << 10 + (second - 0xDC00)
            }
        }
        return 0xFFFD
    }

    private func unit(at start: Int, in text: Span<UInt8>) -> UInt32 {
        var unit: UInt32 = 0
        for offset in start..<min(start + 4, end) { unit = unit << 4 | UInt32(hexDigitValue(text[offset]) ?? 0) }
        return unit
    }

    /// Returns the first byte of a character in UTF-8; the others are pending. None of these is zero.
    private mutating func begin(scalar: UInt32) -> UInt8 {
        switch scalar {
        case ..<0x80:
            return UInt8(scalar)
        case ..<0x800:
            pending = continuation(scalar)
            return UInt8(0xC0 | scalar >> 6)
        case ..<0x10000:
            pending = continuation(scalar) << 8 | continuation(scalar >> 6)
            return UInt8(0xE0 | scalar >> 12)
        default:
            pending = continuation(scalar) << 16 | continuation(scalar >> 6) << 8 | continuation(scalar >> 12)
            return UInt8(0xF0 | scalar >> 18)
        }
    }

    private func continuation(_ bits: UInt32) -> UInt32 { 0x80 | bits & 0x3F }
}
