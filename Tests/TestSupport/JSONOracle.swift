import Foundation

/// Foundation's `JSONSerialization` as an oracle for JSON, with its deviations from RFC 8259 corrected.
///
/// Where Foundation (swift-corelibs-foundation 6.3) deviates:
///
/// - **Trailing comma**: it takes `[1,]` and `{"a":1,}`. The grammar does not (sections 4 and 5).
/// - **Byte order mark, UTF-16, UTF-32**: it looks for a mark and for NUL in the first bytes and decodes accordingly. JSON
///   between systems is UTF-8 without a mark (section 8.1), and a parser may refuse the mark.
/// - **Lone surrogates**: it refuses `"\ud800"`, which the grammar allows (section 8.2 says so expressly). Python's
///   JSON module writes such escapes. Here they count as U+FFFD.
/// - **Byte order mark in a string**: it drops U+FEFF at the start. **Canonically equivalent keys** are one to it, and the
///   last counts; to RFC 8259 they are two. ``comparableTree(of:)`` is for texts that may have either.
/// - **Numbers out of range**: it refuses numbers that a `Double` cannot hold, such as `1E400`. The grammar sets no limit
///   (section 6), and number text is none of our business.
/// - **Invalid UTF-8** in strings: it refuses it, as ``JSONCursor/Options/validUTF8`` does; without that option, such
///   bytes count as U+FFFD.
package enum JSONOracle {
    /// Whether `text` is JSON.
    package static func accepts(_ text: [UInt8], validUTF8: Bool = false) -> Bool {
        (try? tree(of: text, validUTF8: validUTF8)) != nil
    }

    /// The value of `text`.
    package static func tree(of text: [UInt8], validUTF8: Bool = false) throws -> JSONTree {
        if startsWithMarkOrNUL(text) || hasTrailingComma(text) { throw NotJSON() }
        var evened = replacingLoneSurrogates(shorteningNumbers(text))
        if !validUTF8 { evened = Array(String(decoding: evened, as: UTF8.self).utf8) }
        return try JSONTree(parsing: evened)
    }

    /// The value of `text`, for comparison with that of another text. Characters beyond ASCII are written as `<hex>`:
    /// Foundation drops a byte order mark at the start of a string, and takes canonically equivalent keys for one.
    package static func comparableTree(of text: [UInt8]) throws -> JSONTree {
        if startsWithMarkOrNUL(text) || hasTrailingComma(text) { throw NotJSON() }
        let evened = replacingLoneSurrogates(shorteningNumbers(text))
        return try JSONTree(parsing: spellingOut(Array(String(decoding: evened, as: UTF8.self).unicodeScalars)))
    }

    private struct NotJSON: Error {}

    private static func spellingOut(_ scalars: [Unicode.Scalar]) -> [UInt8] {
        func unit(at index: Int) -> UInt32? {
            guard index + 6 <= scalars.count, scalars[index] == "\\", scalars[index + 1] == "u" else { return nil }
            return UInt32(String(String.UnicodeScalarView(scalars[index + 2..<index + 6])), radix: 16)
        }
        var result = ""
        var index = 0
        while index < scalars.count {
            if let first = unit(at: index), first >= 0x80 {
                if 0xD800..<0xDC00 ~= first, let second = unit(at: index + 6) {
                    result += "<\(String(0x10000 + (first - 0xD800) << 10 + (second - 0xDC00), radix: 16))>"
                    index += 12
                } else {
                    result += "<\(String(first, radix: 16))>"
                    index += 6
                }
            } else if scalars[index] == "\\", index + 1 < scalars.count {
                result.unicodeScalars.append(contentsOf: scalars[index...index + 1])
                index += 2
            } else {
                let scalar = scalars[index]
                if scalar.isASCII {
                    result.unicodeScalars.append(scalar)
                } else {
                    result += "<\(String(scalar.value, radix: 16))>"
                }
                index += 1
            }
        }
        return Array(result.utf8)
    }

    /// For each byte whether it belongs to a string, quotes included.
    package static func stringMask(of text: [UInt8]) -> [Bool] {
        var mask = [Bool](repeating: false, count: text.count)
        var index = 0
        while index < text.count {
            guard text[index] == UInt8(ascii: "\"") else {
                index += 1
                continue
            }
            let start = index
            index += 1
            while index < text.count, text[index] != UInt8(ascii: "\"") {
                index += text[index] == UInt8(ascii: "\\") ? 2 : 1
            }
            index = min(index + 1, text.count)
            for inside in start..<index { mask[inside] = true }
        }
        return mask
    }

    private static func startsWithMarkOrNUL(_ text: [UInt8]) -> Bool {
        text.prefix(4).contains(0)
            || [[0xEF, 0xBB, 0xBF], [0xFE, 0xFF], [0xFF, 0xFE]].contains { text.starts(with: $0) }
    }

    private static func hasTrailingComma(_ text: [UInt8]) -> Bool {
        let mask = stringMask(of: text)
        return text.indices.contains { index in
            guard !mask[index], text[index] == UInt8(ascii: ",") else { return false }
            let next = text[(index + 1)...].first { ![0x20, 0x0A, 0x0D, 0x09].contains($0) }
            return next == UInt8(ascii: "]") || next == UInt8(ascii: "}")
        }
    }

    /// Numbers with exponents made zero and with no more than twenty digits in a row.
    private static func shorteningNumbers(_ text: [UInt8]) -> [UInt8] {
        let mask = stringMask(of: text)
        var result: [UInt8] = []
        var digits = 0
        var isExponent = false
        for (index, byte) in text.enumerated() {
            guard !mask[index], (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) else {
                result.append(byte)
                let isSign = byte == UInt8(ascii: "+") || byte == UInt8(ascii: "-")
                isExponent = !mask[index] && (byte | 0x20 == UInt8(ascii: "e") || (isSign && isExponent && digits == 0))
                digits = 0
                continue
            }
            digits += 1
            if isExponent {
                if digits == 1 { result.append(UInt8(ascii: "0")) }
            } else if digits <= 20 {
                result.append(byte)
            }
        }
        return result
    }

    /// Each escaped surrogate that is not half of a pair becomes `\ufffd`.
    private static func replacingLoneSurrogates(_ text: [UInt8]) -> [UInt8] {
        func surrogate(at index: Int) -> UInt16? {
            guard index + 6 <= text.count, text[index] == UInt8(ascii: "\\"), text[index + 1] == UInt8(ascii: "u")
            else { return nil }
            let digits = text[index + 2..<index + 6]
            guard digits.allSatisfy({ Character(Unicode.Scalar($0)).isHexDigit }) else { return nil }
            return UInt16(String(decoding: digits, as: UTF8.self), radix: 16).flatMap {
                $0 & 0xF800 == 0xD800 ? $0 : nil
            }
        }
        var result: [UInt8] = []
        var index = 0
        while index < text.count {
            if let first = surrogate(at: index) {
                if first < 0xDC00, let second = surrogate(at: index + 6), second >= 0xDC00 {
                    result += text[index..<index + 12]
                    index += 12
                } else {
                    result += #"\ufffd"#.utf8
                    index += 6
                }
            } else {
                let length = text[index] == UInt8(ascii: "\\") ? 2 : 1
                result += text[index..<min(index + length, text.count)]
                index += length
            }
        }
        return result
    }
}
