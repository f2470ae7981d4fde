/// Percent-encoding (RFC 3986 §2.1).
package enum PercentEncoding {
    /// Returns `text` with each `%XX` replaced by the byte it stands for if `isDecoded` returns true for that byte. A
    /// `%` that two hexadecimal digits do not follow is kept.
    package static func decoded(_ text: [UInt8], where isDecoded: (UInt8) -> Bool = { _ in true }) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(text.count)
        var index = 0
        while index < text.count {
            if text[index] == UInt8(ascii: "%"), let byte = byte(of: text, at: index + 1), isDecoded(byte) {
                bytes.append(byte)
                index += 3
            } else {
                bytes.append(text[index])
                index += 1
            }
        }
        return bytes
    }

    /// Returns the byte that the two digits at `index` stand for; nil if there are no two digits.
    private static func byte(of text: [UInt8], at index: Int) -> UInt8? {
        guard index + 1 < text.count, let high = hexDigitValue(text[index]), let low = hexDigitValue(text[index + 1])
        else { return nil }
        return high << 4 | low
    }
}
