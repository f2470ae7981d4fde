import Foundation
import VerbatimPlatform

/// Foundation's `JSONSerialization` as an oracle for JSON, with its deviations from RFC 8259 corrected.
///
/// Where Foundation (swift-corelibs-foundation 6.3) deviates:
///
/// - **Trailing comma**: it accepts `[1,]` and `{"a":1,}`. The grammar does not.
/// - **Byte order mark, UTF-16, UTF-32**: it looks for a mark and for NUL in the first bytes and decodes accordingly.
///   JSON between systems is UTF-8 without a mark, and a parser may refuse the mark.
/// - **Lone surrogates**: it refuses `"\ud800"`, which the grammar allows. Python's
///   JSON module writes such escapes. Here they count as U+FFFD.
/// - **Byte order mark in a string**: it drops U+FEFF at the start. **Canonically equivalent keys** are one to it, and
///   the last counts; to RFC 8259 they are two. ``comparableTree(of:)`` is for texts that may have either.
/// - **Numbers out of range**: it refuses numbers that a `Double` cannot hold, such as `1E400`. The grammar sets no
///   limit and Verbatim keeps the text of numbers.
/// - **Invalid UTF-8** in strings: it refuses it, as ``JSONCursor/Options/validUTF8`` does; without that option, such
///   bytes count as U+FFFD.
package enum JSONOracle {
    /// Whether `text` is JSON.
    package static func accepts(_ text: [UInt8], validUTF8: Bool = false) -> Bool {
        guard let text = evened(text, validUTF8: validUTF8) else { return false }
        return (try? JSONSerialization.jsonObject(with: Data(text), options: .fragmentsAllowed)) != nil
    }

    /// The value of `text`.
    package static func tree(of text: [UInt8], validUTF8: Bool = false) throws -> JSONTree {
        guard let text = evened(text, validUTF8: validUTF8) else { throw NotJSON() }
        return try JSONTree(parsing: text)
    }

    /// The value of `text`, for comparison with that of another text. Characters beyond ASCII are written as `<hex>`:
    /// Foundation drops a byte order mark at the start of a string, and takes canonically equivalent keys for one.
    package static func comparableTree(of text: [UInt8]) throws -> JSONTree {
        guard let text = evened(text, validUTF8: false) else { throw NotJSON() }
        return try JSONTree(parsing: spellingOut(text))
    }

    private struct NotJSON: Error {}

    /// `text` without what Foundation would refuse; nil if it is what only Foundation would take.
    private static func evened(_ text: [UInt8], validUTF8: Bool) -> [UInt8]? {
        let strings = strings(in: text)
        if startsWithMarkOrNUL(text) || hasTrailingComma(text, strings) { return nil }
        let evened = replacingLoneSurrogates(shorteningNumbers(text, strings))
        return validUTF8 ? evened : Array(String(decoding: evened, as: UTF8.self).utf8)
    }

    /// JSON text with each character beyond ASCII, escaped or not, as `<hex>`.
    private static func spellingOut(_ text: [UInt8]) -> [UInt8] {
        var result: [UInt8] = []
        var kept = 0
        var index = 0
        func spell(_ value: UInt32, length: Int) {
            result += text[kept..<index]
            result += "<\(String(value, radix: 16))>".utf8
            index += length
            kept = index
        }
        while let next = firstEscapeOrNonASCII(in: text, from: index) {
            index = next
            if text[index] == backslash {
                guard let first = escapedUnit(at: index, of: text), first >= 0x80 else {
                    index += 2
                    continue
                }
                if 0xD800..<0xDC00 ~= first, let second = escapedUnit(at: index + 6, of: text) {
                    spell(0x10000 + (UInt32(first) - 0xD800) << 10 + (UInt32(second) - 0xDC00), length: 12)
                } else {
                    spell(UInt32(first), length: 6)
                }
            } else {
                let length = (~text[index]).leadingZeroBitCount
                let scalar = String(decoding: text[index..<index + length], as: UTF8.self).unicodeScalars.first
                spell(scalar?.value ?? 0, length: length)
            }
        }
        return result + text[min(kept, text.count)...]
    }

    /// The value of an escape such as `\u00e9`, or nil if the text is no escape.
    private static func escapedUnit(at index: Int, of text: [UInt8]) -> UInt16? {
        guard index + 6 <= text.count, text[index] == backslash, text[index + 1] == UInt8(ascii: "u") else {
            return nil
        }
        var value: UInt16 = 0
        for place in index + 2..<index + 6 {
            guard let digit = hexDigitValue(text[place]) else { return nil }
            value = value << 4 | UInt16(digit)
        }
        return value
    }

    /// For each byte whether it belongs to a string, quotes included.
    package static func stringMask(of text: [UInt8]) -> [Bool] {
        var mask = [Bool](repeating: false, count: text.count)
        for string in strings(in: text) {
            mask.replaceSubrange(string, with: repeatElement(true, count: string.count))
        }
        return mask
    }

    /// The ranges of the strings, quotes included. The last one may lack its end.
    private static func strings(in text: [UInt8]) -> [Range<Int>] {
        var strings: [Range<Int>] = []
        var index = 0
        while let start = text.firstOffset(of: quote, from: index) {
            index = start + 1
            while let end = firstEscapeOrQuote(in: text, from: index), text[end] == backslash { index = end + 2 }
            index = min((firstEscapeOrQuote(in: text, from: index) ?? text.count) + 1, text.count)
            strings.append(start..<index)
        }
        return strings
    }

    // These loops see every byte of every text. Without optimization, they are fast on pointers only.

    private static func firstEscapeOrQuote(in text: [UInt8], from start: Int) -> Int? {
        let (quote, backslash) = (quote, backslash)
        return text.withUnsafeBufferPointer { bytes in
            guard let base = bytes.baseAddress else { return nil }
            var index = start
            while index < bytes.count {
                let byte = base[index]
                if byte == quote || byte == backslash { return index }
                index += 1
            }
            return nil
        }
    }

    private static func firstEscapeOrNonASCII(in text: [UInt8], from start: Int) -> Int? {
        let backslash = backslash
        return text.withUnsafeBufferPointer { bytes in
            guard let base = bytes.baseAddress else { return nil }
            var index = start
            while index < bytes.count {
                let byte = base[index]
                if byte == backslash || byte >= 0x80 { return index }
                index += 1
            }
            return nil
        }
    }

    private static let quote = UInt8(ascii: "\"")
    private static let backslash = UInt8(ascii: "\\")

    private static func startsWithMarkOrNUL(_ text: [UInt8]) -> Bool {
        text.prefix(4).contains(0)
            || [[0xEF, 0xBB, 0xBF], [0xFE, 0xFF], [0xFF, 0xFE]].contains { text.starts(with: $0) }
    }

    private static func hasTrailingComma(_ text: [UInt8], _ strings: [Range<Int>]) -> Bool {
        var strings = strings[...]
        var index = 0
        while let comma = text.firstOffset(of: UInt8(ascii: ","), from: index) {
            while let string = strings.first, string.upperBound <= comma { strings.removeFirst() }
            if let string = strings.first, string.contains(comma) {
                index = string.upperBound
                continue
            }
            index = comma + 1
            while index < text.count, [0x20, 0x0A, 0x0D, 0x09].contains(text[index]) { index += 1 }
            if index < text.count, [UInt8(ascii: "]"), UInt8(ascii: "}")].contains(text[index]) { return true }
        }
        return false
    }

    /// Numbers with exponents made zero and with no more than twenty digits in a row.
    private static func shorteningNumbers(_ text: [UInt8], _ strings: [Range<Int>]) -> [UInt8] {
        var result: [UInt8] = []
        var start = 0
        for string in strings {
            shortenNumbers(text, start..<string.lowerBound, into: &result)
            result += text[string]
            start = string.upperBound
        }
        shortenNumbers(text, start..<text.count, into: &result)
        return result
    }

    /// Appends the part `range` of `text`, which is outside of strings.
    private static func shortenNumbers(_ text: [UInt8], _ range: Range<Int>, into result: inout [UInt8]) {
        var digits = 0
        var isExponent = false
        var kept = range.lowerBound
        var index = kept
        text.withUnsafeBufferPointer { bytes in
            guard let base = bytes.baseAddress else { return }
            while index < range.upperBound {
                let byte = base[index]
                if byte >= 0x30 && byte <= 0x39 {
                    digits += 1
                    if isExponent || digits > 20 {
                        result += bytes[kept..<index]
                        kept = index + 1
                        if isExponent && digits == 1 { result.append(0x30) }
                    }
                } else {
                    let isSign = byte == 0x2B || byte == 0x2D
                    isExponent = byte | 0x20 == 0x65 || (isSign && isExponent && digits == 0)
                    digits = 0
                }
                index += 1
            }
            result += bytes[kept..<range.upperBound]
        }
    }

    /// Each escaped surrogate that is not half of a pair becomes `\ufffd`.
    private static func replacingLoneSurrogates(_ text: [UInt8]) -> [UInt8] {
        func surrogate(at index: Int) -> UInt16? {
            escapedUnit(at: index, of: text).flatMap { $0 & 0xF800 == 0xD800 ? $0 : nil }
        }
        var result: [UInt8] = []
        var kept = 0
        var index = 0
        while let escape = text.firstOffset(of: backslash, from: index) {
            index = escape + 2
            guard let first = surrogate(at: escape) else { continue }
            if first < 0xDC00, let second = surrogate(at: escape + 6), second >= 0xDC00 {
                index = escape + 12
            } else {
                result += text[kept..<escape]
                result += #"\ufffd"#.utf8
                index = escape + 6
                kept = index
            }
        }
        return result + text[kept...]
    }
}
