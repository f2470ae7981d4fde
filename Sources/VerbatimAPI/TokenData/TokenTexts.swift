import VerbatimJSON
import VerbatimPlatform

/// Compares the texts of tokens with the text that was made of them.
///
/// The two differ for many reasons: special tokens, reasoning, tool calls and what follows a stop string are in the
/// tokens only, white space is trimmed, and a token that is a part of a character has no text of its own. But every
/// character of the text comes from a token, in the same order.
enum TokenTexts {
    /// Whether the text has characters that no token explains.
    ///
    /// - Parameters:
    ///   - tokens: JSON strings.
    ///   - text: JSON text without quotes.
    static func contradict(_ tokens: JSONList, _ text: ByteRope) -> Bool {
        if text.isEmpty { return false }
        let texts = tokens.rope.bytes
        return texts.withUnsafeBufferPointer { tokens in
            text.bytes.withUnsafeBufferPointer { text in
                !isExplained(Characters(text), by: Characters(tokens, areStrings: true))
            }
        }
    }

    private static func isExplained(_ text: Characters, by tokens: Characters) -> Bool {
        if tokens.nameIDs { return true }
        var text = text
        var tokens = tokens
        text.skipThinkMark()
        var comparesAll: Bool?
        while let wanted = text.next() {
            if wanted >= 0x80 {
                let isCompared = comparesAll ?? tokens.spellCharacters
                comparesAll = isCompared
                if !isCompared { continue }
            }
            var next = tokens.next()
            while let found = next, found != wanted { next = tokens.next() }
            if next == nil { return false }
        }
        return true
    }

    /// The characters of a JSON text as UTF-16 has them, without white space: an engine may divide a surrogate pair.
    private struct Characters {
        private let bytes: UnsafeBufferPointer<UInt8>
        private var index = 0
        /// The second half of a surrogate pair.
        private var pending: UInt32?
        /// The text is a list of strings.
        private let areStrings: Bool
        private var isInString: Bool

        init(_ bytes: UnsafeBufferPointer<UInt8>, areStrings: Bool = false) {
            self.bytes = bytes
            self.areStrings = areStrings
            isInString = !areStrings
        }

        /// Whether the first string names an id: `"token_id:…"`.
        var nameIDs: Bool { bytes.starts(with: "\"token_id:".utf8) }

        /// Whether every character is spelled as in the text. Engines spell tokens that are parts of characters in many
        /// ways: as U+FFFD, `\\xe4`, `<0xE4>` or nothing, or all tokens as pieces of a byte-level vocabulary, which have
        /// no character beyond Latin.
        var spellCharacters: Bool {
            let partMarks = ["\u{FFFD}", "\\ufffd", "\\uFFFD", "\\\\x", "<0x", "\"\""]
            let text = UnsafeRawBufferPointer(bytes)
            for mark in partMarks {
                let isThere = Array(mark.utf8).withUnsafeBytes { text.firstOffset(of: $0) != nil }
                if isThere { return false }
            }
            let hasLatin = bytes.contains { 0xC2...0xC5 ~= $0 }
            return !hasLatin || bytes.contains { $0 > 0xC5 }
        }

        /// Some gateways write a mark in front that the prompt ended with.
        mutating func skipThinkMark() {
            if bytes.starts(with: "<think>".utf8) { index = 7 }
        }

        @inline(__always)
        mutating func next() -> UInt32? {
            if let half = pending.take() { return half }
            while index < bytes.count {
                let byte = bytes[index]
                index &+= 1
                if byte == UInt8(ascii: "\"") && areStrings {
                    isInString.toggle()
                } else if !isInString || byte <= 0x20 {
                    continue
                } else if byte >= 0x80 {
                    return decoded(from: byte)
                } else if byte != UInt8(ascii: "\\") {
                    return UInt32(byte)
                } else if let character = escaped() {
                    return character
                }
            }
            return nil
        }

        /// The character whose UTF-8 begins with `lead`.
        private mutating func decoded(from lead: UInt8) -> UInt32 {
            let length = lead < 0xE0 ? 1 : lead < 0xF0 ? 2 : 3
            guard lead >= 0xC2, index + length <= bytes.count else { return 0xFFFD }
            var value = UInt32(lead) & (length == 1 ? 0x1F : length == 2 ? 0x0F : 0x07)
            for place in index..<index + length { value = value << 6 | UInt32(bytes[place]) & 0x3F }
            index += length
            if value < 0x10000 { return value }
            pending = 0xDC00 + (value & 0x3FF)
            return 0xD800 + ((value - 0x10000) >> 10)
        }

        /// The character of an escape; nil for white space.
        private mutating func escaped() -> UInt32? {
            guard index < bytes.count else { return nil }
            let letter = bytes[index]
            index += 1
            switch letter {
            case UInt8(ascii: "n"), UInt8(ascii: "r"), UInt8(ascii: "t"), UInt8(ascii: "f"), UInt8(ascii: "b"):
                return nil
            case UInt8(ascii: "u"):
                let digits = bytes[index..<min(index + 4, bytes.count)]
                index = digits.endIndex
                let value = UInt32(String(decoding: digits, as: UTF8.self), radix: 16) ?? 0xFFFD
                return value > 0x20 ? value : nil
            default: return UInt32(letter)
            }
        }
    }
}
