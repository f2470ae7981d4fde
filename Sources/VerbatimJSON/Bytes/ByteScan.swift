// Looking at eight bytes at a time, or 32. All offsets are offsets into the whole text.

private let lowBits: UInt64 = 0x0101_0101_0101_0101
private let highBits: UInt64 = 0x8080_8080_8080_8080

/// The high bit of each byte that equals `byte` (and, above the first such byte, perhaps of others).
@inline(__always)
private func marks(of byte: UInt8, in word: UInt64) -> UInt64 {
    let difference = word ^ (lowBits &* UInt64(byte))
    return (difference &- lowBits) & ~difference & highBits
}

/// The high bit of each byte below `limit` (and, above the first such byte, perhaps of others).
@inline(__always)
private func marks(below limit: UInt64, in word: UInt64) -> UInt64 {
    (word &- lowBits &* limit) & ~word & highBits
}

/// The first offset at or behind `start` where a string needs a look: quote, backslash, control character or, if
/// wanted, a byte that is not ASCII. `text.count` if there is none, or `start` if that is behind it.
@inline(__always)
func nextStringBreak(in text: Span<UInt8>, from start: Int, stopAtNonASCII: Bool) -> Int {
    text.withUnsafeBufferPointer {
        var seen: UInt64 = 0
        return nextStringBreak(in: $0, from: start, stopAtNonASCII: stopAtNonASCII, seen: &seen)
    }
}

/// The same. The bytes in front of what is found are added to `seen`, by "or", in words, so that it can be told whether all
/// are ASCII.
@inline(__always)
func nextStringBreak(
    in text: UnsafeBufferPointer<UInt8>, from start: Int, stopAtNonASCII: Bool = false, seen: inout UInt64
) -> Int {
    var index = start
    if index <= text.count &- 16 {
        // Most strings are short.
        if let offset = stringBreak(in: text, at: index, stopAtNonASCII, &seen) { return index &+ offset }
        index &+= 8
        if let offset = stringBreak(in: text, at: index, stopAtNonASCII, &seen) { return index &+ offset }
        index &+= 8
    }
    return nextBreakOfLongString(in: text, from: index, stopAtNonASCII, &seen)
}

@inline(never)
private func nextBreakOfLongString(
    in text: UnsafeBufferPointer<UInt8>, from start: Int, _ stopAtNonASCII: Bool, _ seen: inout UInt64
) -> Int {
    var index = start
    let bytes = UnsafeRawBufferPointer(text)
    // Two words at a time in one register, as any processor has it today.
    let nonASCII = SIMD2(repeating: stopAtNonASCII ? highBits : 0)
    var seenHere = SIMD2<UInt64>()
    while index <= text.count &- 32 {
        let first = bytes.loadUnaligned(fromByteOffset: index, as: SIMD2<UInt64>.self)
        let second = bytes.loadUnaligned(fromByteOffset: index &+ 16, as: SIMD2<UInt64>.self)
        let found = stringBreaks(in: first) | stringBreaks(in: second) | (first | second) & nonASCII
        if found[0] | found[1] != 0 { break }
        seenHere |= first | second
        index &+= 32
    }
    seen |= seenHere[0] | seenHere[1]
    while index <= text.count &- 8 {
        if let offset = stringBreak(in: text, at: index, stopAtNonASCII, &seen) { return index &+ offset }
        index &+= 8
    }
    while index < text.count {
        let byte = text[index]
        if byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\") || byte < 0x20 || (stopAtNonASCII && byte >= 0x80) {
            return index
        }
        seen |= UInt64(byte)
        index &+= 1
    }
    return index
}

/// How far into the eight bytes at `index` the first break stands, if there is one.
@inline(__always)
private func stringBreak(
    in text: UnsafeBufferPointer<UInt8>, at index: Int, _ stopAtNonASCII: Bool, _ seen: inout UInt64
) -> Int? {
    let bytes = UnsafeRawBufferPointer(text)
    let word = UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: index, as: UInt64.self))
    var found =
        marks(of: UInt8(ascii: "\""), in: word) | marks(of: UInt8(ascii: "\\"), in: word) | marks(below: 0x20, in: word)
    if stopAtNonASCII { found |= word & highBits }
    guard found != 0 else {
        seen |= word
        return nil
    }
    seen |= word & (found &- 1) & ~found
    return found.trailingZeroBitCount / 8
}

/// The high bit of each byte that is a quote, backslash or control character (and, above the first such byte of a word,
/// perhaps of others). Only whether there is one may be told from it: the order of bytes is the machine's.
@inline(__always)
private func stringBreaks(in words: SIMD2<UInt64>) -> SIMD2<UInt64> {
    func marks(of byte: UInt8) -> SIMD2<UInt64> {
        let difference = words ^ SIMD2(repeating: lowBits &* UInt64(byte))
        return (difference &- SIMD2(repeating: lowBits)) & ~difference
    }
    let below = (words &- SIMD2(repeating: lowBits &* 0x20)) & ~words
    return (marks(of: UInt8(ascii: "\"")) | marks(of: UInt8(ascii: "\\")) | below) & SIMD2(repeating: highBits)
}

/// Whether bytes of which `seen` holds the "or", in words, are all ASCII.
func isASCII(seen: UInt64) -> Bool { seen & highBits == 0 }

/// The first offset at or behind `start` of something else than a digit; `text.count` if there is none.
@inline(__always)
func endOfDigits(in text: UnsafeBufferPointer<UInt8>, from start: Int) -> Int {
    var index = start
    let bytes = UnsafeRawBufferPointer(text)
    let lastWord = text.count &- 8
    while index <= lastWord {
        let word = UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: index, as: UInt64.self))
        // 0…9 for digits. Adding 0x76 reaches the high bit from 10 on, and bytes beyond 0x7F have it already.
        let values = word ^ lowBits &* 0x30
        let others = ((values &+ lowBits &* 0x76) | values) & highBits
        if others != 0 { return index &+ others.trailingZeroBitCount / 8 }
        index &+= 8
    }
    while index < text.count, text[index] &- UInt8(ascii: "0") < 10 { index &+= 1 }
    return index
}

/// The offset of the `e` in a number.
func offsetOfExponent(in number: UnsafeBufferPointer<UInt8>) -> Int? {
    // Of all that a number is written with, only `e` and `E` have it.
    let mark: UInt8 = 0x40
    var index = 0
    let bytes = UnsafeRawBufferPointer(number)
    while index <= number.count &- 8 {
        let word = UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: index, as: UInt64.self))
        let marks = word & (lowBits &* UInt64(mark))
        if marks != 0 { return index &+ marks.trailingZeroBitCount / 8 }
        index &+= 8
    }
    while index < number.count {
        if number[index] & mark != 0 { return index }
        index &+= 1
    }
    return nil
}

/// Behind natural numbers that stand in a list from `start` on, `32,115,111]`: the offset of the list's end, or of a comma
/// behind which something else stands or may stand; `start` if there is no such comma. Such lists, of a token's bytes and
/// of ids, are much of an event.
@inline(__always)
func endOfNaturalNumbers(in text: UnsafeBufferPointer<UInt8>, from start: Int) -> Int {
    var index = start
    let bytes = UnsafeRawBufferPointer(text)
    let lastWord = text.count &- 8
    // Whether the byte in front is a comma, as good as which is the list's beginning, or a zero that a number begins with.
    var comma: UInt64 = 0x80
    var zero: UInt64 = 0
    while index <= lastWord {
        let word = UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: index, as: UInt64.self))
        let values = word ^ lowBits &* 0x30
        let digits = ~((values &+ lowBits &* 0x76) | values) & highBits
        let commas = exactMarks(ofZerosIn: word ^ lowBits &* 0x2C)
        let firsts = commas << 8 | comma
        let leadingZeros = exactMarks(ofZerosIn: values) & firsts
        let wrong = ~(digits | commas) & highBits | commas & firsts | digits & (leadingZeros << 8 | zero)
        if wrong != 0 {
            index &+= wrong.trailingZeroBitCount / 8
            if text[index] == UInt8(ascii: "]"), index > start, text[index &- 1] != UInt8(ascii: ",") { return index }
            break
        }
        comma = commas >> 56
        zero = leadingZeros >> 56
        index &+= 8
    }
    // Back to the comma in front of what has not been gone over, or is no natural number.
    while index > start, text[index &- 1] != UInt8(ascii: ",") { index &-= 1 }
    return index > start ? index &- 1 : start
}

/// The high bit of each byte that is zero, and of no other.
@inline(__always)
private func exactMarks(ofZerosIn word: UInt64) -> UInt64 {
    let low = lowBits &* 0x7F
    return ~(((word & low) &+ low) | word | low)
}

/// The first offset at or behind `start` where a copy outside of strings needs a look: a quote, white space, or the
/// beginning of `NaN` or `Infinity`. `text.count` if there is none.
@inline(__always)
func nextTokenBreak(in text: Span<UInt8>, from start: Int) -> Int {
    var index = start
    let words = text.bytes
    let lastWord = text.count - 8
    while index <= lastWord {
        let word = UInt64(littleEndian: words.unsafeLoadUnaligned(fromByteOffset: index, as: UInt64.self))
        let found =
            marks(of: UInt8(ascii: "\""), in: word) | marks(below: 0x21, in: word)
            | marks(of: UInt8(ascii: "N"), in: word) | marks(of: UInt8(ascii: "I"), in: word)
        if found != 0 { return index + found.trailingZeroBitCount / 8 }
        index += 8
    }
    while index < text.count {
        switch text[index] {
        case UInt8(ascii: "\""), UInt8(ascii: "N"), UInt8(ascii: "I"), ...0x20: return index
        default: index += 1
        }
    }
    return index
}

/// The UTF-8 sequence at `index`: its length, and whether it is whole and valid (Unicode 16, table 3-7).
///
/// Of an invalid sequence as much is taken together as decoders replace with one U+FFFD: its "maximal subpart".
func scalar(in text: Span<UInt8>, at index: Int) -> (length: Int, isValid: Bool) {
    let length: Int
    var continuation: ClosedRange<UInt8> = 0x80...0xBF
    switch text[index] {
    case 0x00...0x7F: return (1, true)
    case 0xC2...0xDF: length = 2
    case 0xE0: (length, continuation) = (3, 0xA0...0xBF)
    case 0xED: (length, continuation) = (3, 0x80...0x9F)
    case 0xE1...0xEF: length = 3
    case 0xF0: (length, continuation) = (4, 0x90...0xBF)
    case 0xF1...0xF3: length = 4
    case 0xF4: (length, continuation) = (4, 0x80...0x8F)
    default: return (1, false)
    }
    for offset in 1..<length {
        guard index + offset < text.count, continuation.contains(text[index + offset]) else { return (offset, false) }
        continuation = 0x80...0xBF
    }
    return (length, true)
}

/// U+0085, U+2028 or U+2029, if one of them stands at `index`.
func lineBreak(in text: Span<UInt8>, at index: Int) -> UInt16? {
    switch text[index] {
    case 0xC2 where index + 1 < text.count && text[index + 1] == 0x85: return 0x85
    case 0xE2 where index + 2 < text.count && text[index + 1] == 0x80 && text[index + 2] | 1 == 0xA9:
        return 0x2000 | UInt16(text[index + 2] & 0x3F)
    default: return nil
    }
}
