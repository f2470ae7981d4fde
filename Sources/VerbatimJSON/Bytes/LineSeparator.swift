/// Returns U+0085, U+2028 or U+2029 if one of them begins at `index`, else nil.
///
/// JSON allows them unescaped in strings, but some readers take them for the end of a line.
package func lineSeparator(in text: Span<UInt8>, at index: Int) -> UInt16? {
    switch text[index] {
    case 0xC2 where index + 1 < text.count && text[index + 1] == 0x85: return 0x85
    case 0xE2 where index + 2 < text.count && text[index + 1] == 0x80 && text[index + 2] | 1 == 0xA9:
        return 0x2000 | UInt16(text[index + 2] & 0x3F)
    default: return nil
    }
}

/// Returns whether `text` contains U+0085, U+2028 or U+2029.
package func containsLineSeparator(_ text: Span<UInt8>) -> Bool {
    for index in text.indices where text[index] >= 0xC2 && lineSeparator(in: text, at: index) != nil { return true }
    return false
}
