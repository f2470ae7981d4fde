/// Copies values from an engine's or agent's text into a line of strict JSON without changing their meaning.
///
/// The text of numbers, the order of members, duplicates and escapes are kept. The changes are:
/// - White space between tokens is removed.
/// - U+0085, U+2028 and U+2029 are escaped, so that `splitlines()` of any language sees one line.
/// - `NaN` and infinities become `null`. This is reported as a loss.
/// - Invalid UTF-8 becomes U+FFFD. This is reported as a loss.
package enum JSONNormalizer {
    package struct Losses: OptionSet, Hashable, Sendable {
        package let rawValue: UInt8

        // Written out so that other modules can inline them. The generic members of OptionSet are slow, and some
        // callers need these for each value.
        @inlinable package init(rawValue: UInt8) { self.rawValue = rawValue }
        @inlinable package init() { rawValue = 0 }
        @inlinable package init(arrayLiteral elements: Losses...) {
            rawValue = elements.reduce(0) { $0 | $1.rawValue }
        }
        @inlinable package func union(_ other: Losses) -> Losses { Losses(rawValue: rawValue | other.rawValue) }
        @inlinable package mutating func formUnion(_ other: Losses) { self = union(other) }

        /// A `NaN` or an infinity became `null`.
        package static let nonFiniteNumber = Losses(rawValue: 1)
        /// Bytes that were not UTF-8 became U+FFFD.
        package static let invalidUTF8 = Losses(rawValue: 2)
        /// An object that came in pieces had more fields than are kept.
        package static let fieldsBeyondLimit = Losses(rawValue: 4)
    }

    /// Appends the value in `range`, which a ``JSONCursor`` has skipped before.
    @discardableResult
    package static func append(
        _ range: Range<Int>,
        of text: Span<UInt8>,
        to line: inout [UInt8]
    ) -> Losses {
        let text = text.extracting(range)
        var copy = Copy()
        var index = 0
        while true {
            index = nextTokenBreak(in: text, from: index)
            guard index < text.count else { break }
            switch text[index] {
            case UInt8(ascii: "\""):
                index = copy.copyContent(from: index + 1, of: text, to: &line) + 1
            case UInt8(ascii: "N"):
                copy.replace(index..<index + 3, by: "null", of: text, in: &line)
                copy.losses.insert(.nonFiniteNumber)
                index += 3
            case UInt8(ascii: "I"):
                let isNegative = index > 0 && text[index - 1] == UInt8(ascii: "-")
                copy.replace((isNegative ? index - 1 : index)..<index + 8, by: "null", of: text, in: &line)
                copy.losses.insert(.nonFiniteNumber)
                index += 8
            default:
                copy.replace(index..<index + 1, by: "", of: text, in: &line)
                index += 1
            }
        }
        copy.finish(at: text.count, of: text, in: &line)
        return copy.losses
    }

    /// Appends the bytes between a string's quotes.
    @discardableResult
    package static func append(
        contentOf string: JSONString,
        of text: Span<UInt8>,
        to line: inout [UInt8]
    ) -> Losses {
        var copy = Copy(from: string.content.lowerBound)
        let text = text.extracting(..<string.quoted.upperBound)
        let end = copy.copyContent(from: string.content.lowerBound, of: text, to: &line)
        copy.finish(at: min(end, text.count), of: text, in: &line)
        return copy.losses
    }

    /// Returns the normalized text of the value in `range`.
    package static func normalized(_ range: Range<Int>, of text: Span<UInt8>) -> [UInt8] {
        var line: [UInt8] = []
        line.reserveCapacity(range.count)
        append(range, of: text, to: &line)
        return line
    }
}

/// A copy in progress. Bytes that do not change are copied in pieces as long as possible.
private struct Copy {
    var losses: JSONNormalizer.Losses = []
    /// The text before this offset has been copied.
    private var copied: Int

    init(from start: Int = 0) { copied = start }

    /// Copies the text before `range`, and `replacement` in place of `range`.
    @inline(__always)
    mutating func replace(
        _ range: Range<Int>, by replacement: StaticString, of text: Span<UInt8>, in line: inout [UInt8]
    ) {
        if copied < range.lowerBound { line.append(copying: text, copied..<range.lowerBound) }
        replacement.withUTF8Buffer { line.append(contentsOf: $0) }
        copied = range.upperBound
    }

    /// Copies the rest of the text before `end`.
    mutating func finish(at end: Int, of text: Span<UInt8>, in line: inout [UInt8]) {
        if copied < end { line.append(copying: text, copied..<end) }
    }

    /// Copies a string from the offset after its opening quote and returns the offset of the closing quote.
    mutating func copyContent(from start: Int, of text: Span<UInt8>, to line: inout [UInt8]) -> Int {
        var index = start
        while true {
            index = nextStringBreak(in: text, from: index, stopAtNonASCII: true)
            guard index < text.count, text[index] != UInt8(ascii: "\"") else { return index }
            if text[index] == UInt8(ascii: "\\") {
                index += 2
                continue
            }
            let (length, isValid) = utf8Sequence(in: text, at: index)
            if let unit = lineSeparator(in: text, at: index) {
                replace(index..<index + length, by: "", of: text, in: &line)
                line.appendUnicodeEscape(unit)
            } else if !isValid {
                replace(index..<index + length, by: "\u{FFFD}", of: text, in: &line)
                losses.insert(.invalidUTF8)
            }
            index += length
        }
    }
}
