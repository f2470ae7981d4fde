/// The first offset at or behind `start` of a `\n` or `\r`; `bytes.count` if there is none.
@inline(__always)
func nextLineBreak(in bytes: Span<UInt8>, from start: Int) -> Int {
    var index = start
    let words = bytes.bytes
    while index + 8 <= bytes.count {
        let word = UInt64(littleEndian: words.unsafeLoadUnaligned(fromByteOffset: index, as: UInt64.self))
        let found = marks(of: 0x0A, in: word) | marks(of: 0x0D, in: word)
        if found != 0 { return index + found.trailingZeroBitCount / 8 }
        index += 8
    }
    while index < bytes.count, bytes[index] != 0x0A, bytes[index] != 0x0D { index += 1 }
    return index
}

/// The high bit of each byte that equals `byte` (and, above the first such byte, perhaps of others).
@inline(__always)
private func marks(of byte: UInt8, in word: UInt64) -> UInt64 {
    let difference = word ^ (0x0101_0101_0101_0101 &* UInt64(byte))
    return (difference &- 0x0101_0101_0101_0101) & ~difference & 0x8080_8080_8080_8080
}
