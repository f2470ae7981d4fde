// Looking at eight bytes at a time. All offsets are offsets into the whole text.

private let lowBits: UInt64 = 0x0101_0101_0101_0101
private let highBits: UInt64 = 0x8080_8080_8080_8080

/// The high bit of each byte that equals `byte` (and, above the first such byte, perhaps of others).
@inline(__always)
private func marks(of byte: UInt8, in word: UInt64) -> UInt64 {
    let difference = word ^ (lowBits &* UInt64(byte))
    return (difference &- lowBits) & ~difference & highBits
}

/// The high bit of each byte below 0x20 (and, above the first such byte, perhaps of others).
@inline(__always)
private func marksOfControls(in word: UInt64) -> UInt64 {
    (word &- lowBits &* 0x20) & ~word & highBits
}

/// The first offset at or behind `start` where a string needs a look: quote, backslash, control character or, if
/// wanted, a byte that is not ASCII. `text.count` if there is none.
@inline(__always)
func nextStringBreak(in text: Span<UInt8>, from start: Int, stopAtNonASCII: Bool) -> Int {
    var index = start
    let words = text.bytes
    let lastWord = text.count - 8
    while index <= lastWord {
        let word = UInt64(littleEndian: words.unsafeLoadUnaligned(fromByteOffset: index, as: UInt64.self))
        var found =
            marks(of: UInt8(ascii: "\""), in: word) | marks(of: UInt8(ascii: "\\"), in: word)
            | marksOfControls(in: word)
        if stopAtNonASCII { found |= word & highBits }
        if found != 0 { return index + found.trailingZeroBitCount / 8 }
        index += 8
    }
    while index < text.count {
        let byte = text[index]
        if byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\") || byte < 0x20 || (stopAtNonASCII && byte >= 0x80) {
            return index
        }
        index += 1
    }
    return index
}

/// The length of the valid UTF-8 sequence at `index` (1…4), or `nil` if none is there. (Unicode 16, table 3-7.)
func lengthOfScalar(in text: Span<UInt8>, at index: Int) -> Int? {
    func continues(_ offset: Int, _ allowed: ClosedRange<UInt8> = 0x80...0xBF) -> Bool {
        index + offset < text.count && allowed.contains(text[index + offset])
    }
    switch text[index] {
    case 0x00...0x7F: return 1
    case 0xC2...0xDF: return continues(1) ? 2 : nil
    case 0xE0: return continues(1, 0xA0...0xBF) && continues(2) ? 3 : nil
    case 0xED: return continues(1, 0x80...0x9F) && continues(2) ? 3 : nil
    case 0xE1...0xEF: return continues(1) && continues(2) ? 3 : nil
    case 0xF0: return continues(1, 0x90...0xBF) && continues(2) && continues(3) ? 4 : nil
    case 0xF1...0xF3: return continues(1) && continues(2) && continues(3) ? 4 : nil
    case 0xF4: return continues(1, 0x80...0x8F) && continues(2) && continues(3) ? 4 : nil
    default: return nil
    }
}
