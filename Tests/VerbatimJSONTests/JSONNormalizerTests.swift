import VerbatimJSON
import TestSupport
import Testing

@Suite struct JSONNormalizerTests {
    private static let everything: JSONTextGenerator.Extras = [
        .nonFiniteNumbers, .invalidUTF8, .loneSurrogates, .hugeNumbers,
    ]

    /// Returns the range of the only value in `text`.
    private func rangeOfValue(in text: [UInt8]) throws -> Range<Int> {
        var cursor = JSONCursor(options: .nonFiniteNumbers)
        return try cursor.skipValue(in: text).range
    }

    /// Removes white space outside of strings and replaces non-finite numbers, one byte at a time.
    private func naivelyCompacted(_ text: [UInt8]) -> [UInt8] {
        let mask = JSONOracle.stringMask(of: text)
        var result: [UInt8] = []
        var index = 0
        while index < text.count {
            if !mask[index],
                let word = ["NaN", "Infinity", "-Infinity"].first(where: { text[index...].starts(with: $0.utf8) })
            {
                result += "null".utf8
                index += word.utf8.count
            } else {
                if mask[index] || ![0x20, 0x0A, 0x0D, 0x09].contains(text[index]) { result.append(text[index]) }
                index += 1
            }
        }
        return result
    }

    @Test(arguments: 0..<1500 as Range<UInt64>)
    func normalizedTextHasTheSameMeaningInOneLine(seed: UInt64) throws {
        var generator = JSONTextGenerator(seed: seed, extras: Self.everything)
        let value = generator.value()
        let (front, back) = ("[".bytes + generator.whitespace(), generator.whitespace() + ",\"x\"]".bytes)
        let text = front + value + back
        var line = "{\"prefix\":-".bytes
        let prefix = line
        let losses = JSONNormalizer.append(front.count..<front.count + value.count, of: text, to: &line)
        #expect(line.starts(with: prefix), "existing bytes must not change")
        let normalized = Array(line[prefix.count...])
        #expect(normalized == JSONNormalizer.normalized(0..<value.count, of: value))

        let compacted = naivelyCompacted(value)
        #expect(try JSONOracle.tree(of: normalized) == JSONOracle.tree(of: compacted))
        #expect(accepts(normalized, options: .validUTF8), "the result must be strict JSON")
        expectOneLine(normalized)
        #expect(losses.contains(.invalidUTF8) == (String(validating: value, as: UTF8.self) == nil))
        let hasNonFinite = accepts(value, options: .nonFiniteNumbers) && !accepts(value)
        #expect(losses.contains(.nonFiniteNumber) == hasNonFinite)

        // Apart from line separators and invalid sequences, every byte is unchanged: numbers, keys, escapes.
        var expected = String(decoding: compacted, as: UTF8.self)
        for (character, escape) in [("\u{85}", #"\u0085"#), ("\u{2028}", #"\u2028"#), ("\u{2029}", #"\u2029"#)] {
            expected = expected.split(separator: character, omittingEmptySubsequences: false).joined(separator: escape)
        }
        #expect(normalized == expected.bytes)

        var again: [UInt8] = []
        #expect(JSONNormalizer.append(0..<normalized.count, of: normalized, to: &again).isEmpty)
        #expect(again == normalized, "normalizing twice must change nothing")
    }

    @Test(arguments: 0..<500 as Range<UInt64>)
    func normalizedContentsOfStringsCanBeJoined(seed: UInt64) throws {
        var generator = JSONTextGenerator(seed: seed, extras: .invalidUTF8)
        var line = "\"".bytes
        var expected: [UInt8] = []
        for _ in 0..<3 {
            let text = generator.whitespace() + generator.string() + generator.whitespace() + "tail\"".bytes
            var cursor = JSONCursor()
            let string = try cursor.skipString(in: text)
            let content = Array(text[string.content])
            let losses = JSONNormalizer.append(contentOf: string, of: text, to: &line)
            #expect(losses == (String(validating: content, as: UTF8.self) == nil ? .invalidUTF8 : []))
            expected += string.decoded(in: text).utf8
        }
        line += "\"".utf8
        #expect(try JSONTree(parsing: line) == .string(expected))
        expectOneLine(line)
    }

    @Test(arguments: [
        ("-0", "-0"), (" 1.0 ", "1.0"), ("1E400", "1E400"), ("1e-007", "1e-007"), ("0.10", "0.10"),
        (#"{ "a" : 1 , "a" : 2 }"#, #"{"a":1,"a":2}"#), (#""\u0041\/""#, #""\u0041\/""#), (#""\ud800""#, #""\ud800""#),
        ("\"a b\\t \"", "\"a b\\t \""),
        ("\"\u{85}\u{2028}\u{2029}\u{2027}\u{202A}\"", "\"\\u0085\\u2028\\u2029\u{2027}\u{202A}\""),
        (#""\u2028""#, #""\u2028""#), ("[ NaN , -Infinity,Infinity ,\"NaN\"]", "[null,null,null,\"NaN\"]"),
        ("NaN", "null"), ("-Infinity", "null"), (#"{"NaN":-Infinity}"#, #"{"NaN":null}"#),
        ("\"\\\\\u{2028}\"", "\"\\\\\\u2028\""),
    ])
    func changesOnlyWhatStrictJSONLinesForbid(text: String, expected: String) throws {
        let bytes = text.bytes
        #expect(JSONNormalizer.normalized(try rangeOfValue(in: bytes), of: bytes) == expected.bytes)
    }

    /// Each invalid sequence becomes as many U+FFFD as `String(decoding:as:)` would produce.
    @Test(arguments: JSONTextGenerator.invalidSequences)
    func replacesInvalidUTF8AsDecodersDo(sequence: [UInt8]) throws {
        for (front, back) in [("", ""), ("x", "y"), ("\u{2028}", "\u{85}"), ("é", "é"), ("12345678", "12345678")] {
            let text = "\"".bytes + front.bytes + sequence + back.bytes + "\"".bytes
            var line: [UInt8] = []
            #expect(JSONNormalizer.append(0..<text.count, of: text, to: &line) == .invalidUTF8)
            let value = JSONString(quoted: 0..<text.count, hasEscapes: false)
            #expect(try JSONTree(parsing: line) == .string(value.decoded(in: text).bytes))
        }
    }

    @Test func normalizesTheDeepestText() throws {
        let depth = JSONCursor.maximumDepth
        let text = (String(repeating: "[ ", count: depth) + String(repeating: " ]", count: depth)).bytes
        let expected = (String(repeating: "[", count: depth) + String(repeating: "]", count: depth)).bytes
        #expect(JSONNormalizer.normalized(try rangeOfValue(in: text), of: text) == expected)
    }
}
