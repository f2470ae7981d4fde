// Scans eight bytes at a time with arithmetic on words, or 32 in long strings. All offsets are from the start of the
// text.

private let lowBits: UInt64 = 0x0101_0101_0101_0101
private let highBits: UInt64 = 0x8080_8080_8080_8080

/// Sets the high bit of each byte that equals `byte`. Bytes above the first such byte may be marked as well.
@inline(__always)
private func marks(of byte: UInt8, in word: UInt64) -> UInt64 {
    let difference = word ^ (lowBits &* UInt64(byte))
    return (difference &- lowBits) & ~difference & highBits
}

/// Sets the high bit of each byte below `limit`. Bytes above the first such byte may be marked as well.
@inline(__always)
private func marks(below limit: UInt64, in word: UInt64) -> UInt64 {
    (word &- lowBits &* limit) & ~word & highBits
}

/// Returns the first offset from `start` on of a quote, a backslash, a control character or, with `stopAtNonASCII`, a
/// byte that is not ASCII. Returns `text.count` if there is none, or `start` if that is greater.
@inline(__always)
func nextStringBreak(in text: Span<UInt8>, from start: Int, stopAtNonASCII: Bool) -> Int {
    text.withUnsafeBufferPointer {
        var seen: UInt64 = 0
        return nextStringBreak(in: $0, from: start, stopAtNonASCII: stopAtNonASCII, seen: &seen)
    }
}

/// The same, for a pointer. The bytes before the offset found are combined into `seen` by "or", in words;
/// ``isASCII(seen:)`` then returns whether all of them are ASCII.
@inline(__always)
func nextStringBreak(
    in text: UnsafeBufferPointer<UInt8>, from start: Int, stopAtNonASCII: Bool = false, seen: inout UInt64
) -> Int {
    var index = start
    if index <= text.count &- 16 {
        // Most strings are short: check 16 bytes before the loop.
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
    // Two words in one register, which every current processor has.
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

/// Returns the offset of the first break within the eight bytes at `index`; nil if there is none.
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

/// Sets the high bit of each byte that is a quote, a backslash or a control character. Bytes above the first such byte
/// of a word may be marked as well. The result only tells whether there is one: the order of bytes depends on the
/// machine.
@inline(__always)
private func stringBreaks(in words: SIMD2<UInt64>) -> SIMD2<UInt64> {
    func marks(of byte: UInt8) -> SIMD2<UInt64> {
        let difference = words ^ SIMD2(repeating: lowBits &* UInt64(byte))
        return (difference &- SIMD2(repeating: lowBits)) & ~difference
    }
    let below = (words &- SIMD2(repeating: lowBits &* 0x20)) & ~words
    return (marks(of: UInt8(ascii: "\"")) | marks(of: UInt8(ascii: "\\")) | below) & SIMD2(repeating: highBits)
}

/// Returns whether the bytes that were combined into `seen` are all ASCII.
func isASCII(seen: UInt64) -> Bool { seen & highBits == 0 }

/// Returns the first offset from `start` on of a byte that is not a digit; `text.count` if there is none.
@inline(__always)
func endOfDigits(in text: UnsafeBufferPointer<UInt8>, from start: Int) -> Int {
    var index = start
    let bytes = UnsafeRawBufferPointer(text)
    let lastWord = text.count &- 8
    while index <= lastWord {
        let word = UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: index, as: UInt64.self))
        // A digit becomes 0…9. Adding 0x76 sets the high bit of values from 10 on; bytes beyond 0x7F have it already.
        let values = word ^ lowBits &* 0x30
        let others = ((values &+ lowBits &* 0x76) | values) & highBits
        if others != 0 { return index &+ others.trailingZeroBitCount / 8 }
        index &+= 8
    }
    while index < text.count, text[index] &- UInt8(ascii: "0") < 10 { index &+= 1 }
    return index
}

/// Returns the offset of the `e` or `E` in a number; nil if there is none.
func offsetOfExponent(in number: UnsafeBufferPointer<UInt8>) -> Int? {
    // Among the characters of a number only `e` and `E` have this bit.
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

/// Scans the elements of an array of natural numbers, `32,115,111]`, from `start` on. Such arrays, of token ids and of
/// the bytes of tokens, are a large part of an event.
///
/// - Returns: The offset of the closing bracket. If the scan ends earlier, because something else follows or because
///   fewer than eight bytes are left: the offset of the last comma that it reached, or `start` if it reached none.
@inline(__always)
func endOfNaturalNumbers(in text: UnsafeBufferPointer<UInt8>, from start: Int) -> Int {
    var index = start
    let bytes = UnsafeRawBufferPointer(text)
    let lastWord = text.count &- 8
    // Marks whether the byte before this word is a comma (the start of the array counts as one), and whether it is a
    // zero with which a number begins.
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
    // Go back to the comma before the first element that was not scanned, or is not a natural number.
    while index > start, text[index &- 1] != UInt8(ascii: ",") { index &-= 1 }
    return index > start ? index &- 1 : start
}

/// Sets the high bit of each byte that is zero, and of no other.
@inline(__always)
private func exactMarks(ofZerosIn word: UInt64) -> UInt64 {
    let low = lowBits &* 0x7F
    return ~(((word & low) &+ low) | word | low)
}

/// Returns the first offset from `start` on, outside of strings, of a quote, of white space, or of the first letter of
/// `NaN` or `Infinity`. Returns `text.count` if there is none.
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
