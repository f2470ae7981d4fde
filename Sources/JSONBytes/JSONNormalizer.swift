/// Copies values from an engine's or agent's text into a line of strict JSON without touching what they mean.
///
/// Number text, key order, duplicates and escapes stay. Only this changes: white space between tokens goes; U+0085,
/// U+2028 and U+2029 are escaped, so that `splitlines()` of any language sees one line; `NaN` and infinities become
/// `null`; what is not UTF-8 becomes U+FFFD. The last two are reported.
package enum JSONNormalizer {
    package struct Losses: OptionSet, Hashable, Sendable {
        package let rawValue: UInt8
        package init(rawValue: UInt8) { self.rawValue = rawValue }

        /// A `NaN` or an infinity became `null`.
        package static let nonFiniteNumber = Losses(rawValue: 1)
        /// Bytes that were not UTF-8 became U+FFFD.
        package static let invalidUTF8 = Losses(rawValue: 2)
    }

    /// Appends the value in `range`, which a ``JSONCursor`` has passed before.
    @discardableResult
    package static func append(
        _ range: Range<Int>,
        of text: Span<UInt8>,
        to line: inout [UInt8]
    ) -> Losses {
        var losses: Losses = []
        let text = text.extracting(range)
        var index = 0
        while index < text.count {
            switch text[index] {
            case UInt8(ascii: "\""):
                index = appendString(at: index, of: text, to: &line, losses: &losses)
            case 0x20, 0x0A, 0x0D, 0x09:
                index += 1
            case UInt8(ascii: "-") where index + 1 < text.count && text[index + 1] == UInt8(ascii: "I"):
                index += 1
            case UInt8(ascii: "N"), UInt8(ascii: "I"):
                line.append(contentsOf: "null".utf8)
                index += text[index] == UInt8(ascii: "N") ? 3 : 8
                losses.insert(.nonFiniteNumber)
            case let byte:
                line.append(byte)
                index += 1
            }
        }
        return losses
    }

    /// Appends what stands between a string's quotes.
    @discardableResult
    package static func append(
        contentOf string: JSONString,
        of text: Span<UInt8>,
        to line: inout [UInt8]
    ) -> Losses {
        var losses: Losses = []
        appendContent(
            string.content.lowerBound,
            of: text.extracting(..<string.quoted.upperBound),
            to: &line,
            losses: &losses
        )
        return losses
    }

    /// The value in `range` as a line of its own.
    package static func normalized(_ range: Range<Int>, of text: Span<UInt8>) -> [UInt8] {
        var line: [UInt8] = []
        line.reserveCapacity(range.count)
        append(range, of: text, to: &line)
        return line
    }

    /// Answers the offset behind the string.
    private static func appendString(
        at start: Int,
        of text: Span<UInt8>,
        to line: inout [UInt8],
        losses: inout Losses
    ) -> Int {
        line.append(UInt8(ascii: "\""))
        let end = appendContent(start + 1, of: text, to: &line, losses: &losses)
        line.append(UInt8(ascii: "\""))
        return end + 1
    }

    /// Answers the offset of the closing quote.
    @discardableResult
    private static func appendContent(
        _ start: Int,
        of text: Span<UInt8>,
        to line: inout [UInt8],
        losses: inout Losses
    ) -> Int {
        var copied = start
        var index = start
        while true {
            index = nextStringBreak(in: text, from: index, stopAtNonASCII: true)
            guard index < text.count, text[index] != UInt8(ascii: "\"") else { break }
            if text[index] == UInt8(ascii: "\\") {
                index += 2
                continue
            }
            let (length, isValid) = scalar(in: text, at: index)
            let lineBreak = lineBreak(in: text, at: index)
            if isValid && lineBreak == nil {
                index += length
                continue
            }
            line.append(copying: text, copied..<index)
            if let lineBreak {
                line.appendUnicodeEscape(lineBreak)
            } else {
                line.append(contentsOf: [0xEF, 0xBF, 0xBD])
                losses.insert(.invalidUTF8)
            }
            index += length
            copied = index
        }
        line.append(copying: text, copied..<min(index, text.count))
        return index
    }

    /// U+0085, U+2028 or U+2029, if one of them stands at `index`.
    private static func lineBreak(in text: Span<UInt8>, at index: Int) -> UInt16? {
        switch text[index] {
        case 0xC2 where index + 1 < text.count && text[index + 1] == 0x85: return 0x85
        case 0xE2 where index + 2 < text.count && text[index + 1] == 0x80 && text[index + 2] | 1 == 0xA9:
            return 0x2000 | UInt16(text[index + 2] & 0x3F)
        default: return nil
        }
    }
}
