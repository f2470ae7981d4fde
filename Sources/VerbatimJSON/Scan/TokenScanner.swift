import VerbatimPlatform

/// Finds the ends of JSON tokens. It is made for speed: a failure has neither a reason nor an offset.
///
/// Each function takes the offset at which a token begins and returns the offset after it, or ``failure``.
struct TokenScanner {
    /// False once a token has come that ``JSONNormalizer`` would change.
    private(set) var isNormal = true

    /// Returned instead of an offset if the text is not JSON.
    static let failure = -1

    /// Skips white space, of which there may be none.
    @inline(__always)
    mutating func skipWhitespace(_ text: UnsafeBufferPointer<UInt8>, _ start: Int) -> Int {
        guard start < text.count, text[start] <= 0x20 else { return start }
        isNormal = false
        var offset = start
        while offset < text.count {
            switch text[offset] {
            case 0x20, 0x0A, 0x0D, 0x09: offset += 1
            default: return offset
            }
        }
        return offset
    }

    /// Skips a member's name and the colon that follows it.
    @inline(__always)
    mutating func skipKey(_ text: UnsafeBufferPointer<UInt8>, _ start: Int) -> Int {
        guard start < text.count, text[start] == UInt8(ascii: "\"") else { return Self.failure }
        var offset = skipString(text, start)
        if offset < 0 { return offset }
        offset = skipWhitespace(text, offset)
        guard offset < text.count, text[offset] == UInt8(ascii: ":") else { return Self.failure }
        return offset + 1
    }

    @inline(__always)
    mutating func skipString(_ text: UnsafeBufferPointer<UInt8>, _ start: Int) -> Int {
        var offset = start + 1
        var seen: UInt64 = 0
        while true {
            offset = nextStringBreak(in: text, from: offset, seen: &seen)
            guard offset < text.count else { return Self.failure }
            if text[offset] == UInt8(ascii: "\"") {
                if !isASCII(seen: seen) && isNormal { checkNonASCII(text, start + 1..<offset) }
                return offset + 1
            }
            guard text[offset] == UInt8(ascii: "\\") else { return Self.failure }
            offset = Self.skipEscape(text, offset)
            if offset < 0 { return offset }
        }
    }

    /// Finds out whether a string with characters beyond ASCII is normal.
    @inline(never)
    private mutating func checkNonASCII(_ text: UnsafeBufferPointer<UInt8>, _ string: Range<Int>) {
        let string = text.span.extracting(string)
        var index = 0
        while index < string.count {
            let (length, isValid) = utf8Sequence(in: string, at: index)
            if !isValid || lineSeparator(in: string, at: index) != nil {
                isNormal = false
                return
            }
            index += length
        }
    }

    @inline(never)
    private static func skipEscape(_ text: UnsafeBufferPointer<UInt8>, _ start: Int) -> Int {
        guard start + 1 < text.count else { return failure }
        switch text[start + 1] {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"), UInt8(ascii: "b"), UInt8(ascii: "f"),
            UInt8(ascii: "n"), UInt8(ascii: "r"), UInt8(ascii: "t"):
            return start + 2
        case UInt8(ascii: "u"):
            guard start + 6 <= text.count else { return failure }
            for index in start + 2..<start + 6 where hexDigitValue(text[index]) == nil { return failure }
            return start + 6
        default:
            return failure
        }
    }

    /// Skips a number, or `-Infinity`.
    @inline(__always)
    mutating func skipNumber(_ text: UnsafeBufferPointer<UInt8>, _ start: Int) -> Int {
        var digits = start
        if text[start] == UInt8(ascii: "-") {
            digits += 1
            if digits < text.count, text[digits] == UInt8(ascii: "I") { return skipWord(text, digits) }
        }
        var offset = endOfDigits(in: text, from: digits)
        guard offset > digits, offset == digits + 1 || text[digits] != UInt8(ascii: "0") else { return Self.failure }
        guard offset < text.count else { return offset }
        if text[offset] == UInt8(ascii: ".") {
            digits = offset + 1
            offset = endOfDigits(in: text, from: digits)
            guard offset > digits else { return Self.failure }
            guard offset < text.count else { return offset }
        }
        if text[offset] | 0x20 == UInt8(ascii: "e") {
            digits = offset + 1
            if digits < text.count, text[digits] == UInt8(ascii: "+") || text[digits] == UInt8(ascii: "-") {
                digits += 1
            }
            offset = endOfDigits(in: text, from: digits)
            guard offset > digits else { return Self.failure }
        }
        return offset
    }

    /// Skips `null`, `true`, `false`, `NaN` or `Infinity`.
    @inline(never)
    mutating func skipWord(_ text: UnsafeBufferPointer<UInt8>, _ start: Int) -> Int {
        let word: StaticString
        switch text[start] {
        case UInt8(ascii: "n"): word = "null"
        case UInt8(ascii: "t"): word = "true"
        case UInt8(ascii: "f"): word = "false"
        case UInt8(ascii: "N"): word = "NaN"
        case UInt8(ascii: "I"): word = "Infinity"
        default: return Self.failure
        }
        if text[start] < UInt8(ascii: "a") { isNormal = false }
        guard start + word.utf8CodeUnitCount <= text.count else { return Self.failure }
        for index in 0..<word.utf8CodeUnitCount where text[start + index] != word.utf8Start[index] {
            return Self.failure
        }
        return start + word.utf8CodeUnitCount
    }
}
