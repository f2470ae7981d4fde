import VerbatimPlatform

/// Finds a text in another that may spell its characters in other ways: engines repeat a key within JSON (`\/`,
/// `\u002b`), within JSON that is a string of other JSON (`\\/`), in a URL (`%2B`) or in HTML (`&#43;`).
struct EscapedText {
    private let text: [UInt8]
    /// Whether the text is JSON, of which a match must not take half an escape.
    private let isJSON: Bool
    /// JSON within JSON within JSON: more backslashes in front of a character are not looked at.
    private static let mostBackslashes = 8

    init(_ text: [UInt8], isJSON: Bool) {
        self.text = text
        self.isJSON = isJSON
    }

    /// Returns how many bytes of `secret` stand at `index`, in whatever form, and how many bytes of the text they take.
    func match(_ secret: [UInt8], at index: Int) -> (matched: Int, length: Int) {
        var matched = 0
        var end = index
        while matched < secret.count, end < text.count {
            let isPercentLiteral = secret[matched] == UInt8(ascii: "%") && secret[matched...].starts(with: "%25".utf8)
            guard let length = length(of: secret[matched], at: end, prefersLiteral: isPercentLiteral) else { break }
            end += length
            matched += 1
        }
        return (matched, end - index)
    }

    /// Whether what is left of the text at `index` can be a part of an escape that was cut.
    func isCutEscape(at index: Int) -> Bool {
        guard index < text.count, text.count - index < 6 else { return index == text.count }
        return text[index] == UInt8(ascii: "\\") || text[index] == UInt8(ascii: "%") || text[index] == UInt8(ascii: "&")
    }

    /// The number of bytes that spell `byte` at `index`; nil if something else stands there.
    private func length(of byte: UInt8, at index: Int, prefersLiteral: Bool) -> Int? {
        switch text[index] {
        case UInt8(ascii: "\\"): return backslashed(byte, at: index)
        case UInt8(ascii: "%") where !prefersLiteral:
            if hex(2, at: index + 1) == byte { return 3 }
            // Escaped twice.
            if text[(index + 1)...].starts(with: "25".utf8), hex(2, at: index + 3) == byte { return 5 }
        // It ends the string.
        case UInt8(ascii: "\"") where isJSON: return nil
        case UInt8(ascii: "&"):
            if let length = reference(to: byte, at: index) { return length }
        default: break
        }
        return text[index] == byte ? 1 : nil
    }

    private func backslashed(_ byte: UInt8, at index: Int) -> Int? {
        let run = text[index...].prefix(Self.mostBackslashes).prefix { $0 == UInt8(ascii: "\\") }
        let next = run.endIndex
        guard next < text.count else { return byte == UInt8(ascii: "\\") && !isJSON ? 1 : nil }
        if text[next] == UInt8(ascii: "u"), hex(4, at: next + 1) == byte { return next + 5 - index }
        if text[next] == UInt8(ascii: "x"), hex(2, at: next + 1) == byte { return next + 3 - index }
        if byte == UInt8(ascii: "\\") { return isJSON ? (run.count > 1 ? 2 : nil) : 1 }
        guard text[next] == byte, !byte.isLetterOrDigit else { return nil }
        // After an even number of backslashes a quotation mark ends the string.
        if isJSON, byte == UInt8(ascii: "\""), run.count.isMultiple(of: 2) { return nil }
        return next + 1 - index
    }

    /// The length of an HTML reference to `byte`.
    private func reference(to byte: UInt8, at index: Int) -> Int? {
        let name = text[(index + 1)...].prefix(8).prefix { $0 != UInt8(ascii: ";") }
        guard name.endIndex < text.count, text[name.endIndex] == UInt8(ascii: ";") else { return nil }
        let word = String(decoding: name, as: UTF8.self).lowercased()
        let names: [String: UInt8] = [
            "amp": UInt8(ascii: "&"), "quot": UInt8(ascii: "\""), "apos": UInt8(ascii: "'"), "lt": UInt8(ascii: "<"),
            "gt": UInt8(ascii: ">"),
        ]
        let value: UInt8? =
            if word.hasPrefix("#x") {
                UInt8(word.dropFirst(2), radix: 16)
            } else if word.hasPrefix("#") {
                UInt8(word.dropFirst())
            } else {
                names[word]
            }
        return value == byte ? name.count + 2 : nil
    }

    /// The value of `count` hexadecimal digits; nil if there are others, or if it is more than a byte.
    private func hex(_ count: Int, at index: Int) -> UInt8? {
        guard index + count <= text.count else { return nil }
        var value = 0
        for byte in text[index..<index + count] {
            guard let digit = hexDigitValue(byte) else { return nil }
            value = value * 16 + Int(digit)
        }
        return UInt8(exactly: value)
    }
}

extension UInt8 {
    fileprivate var isLetterOrDigit: Bool {
        switch self {
        case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "a")...UInt8(ascii: "z"):
            true
        default: false
        }
    }
}
