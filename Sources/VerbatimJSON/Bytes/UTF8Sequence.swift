/// Returns the length of the UTF-8 sequence at `index`, and whether it is complete and valid (Unicode 16, table 3-7).
///
/// The length of an invalid sequence is what decoders replace by one U+FFFD: its "maximal subpart".
func utf8Sequence(in text: Span<UInt8>, at index: Int) -> (length: Int, isValid: Bool) {
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
