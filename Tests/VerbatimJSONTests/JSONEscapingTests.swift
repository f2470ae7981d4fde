import VerbatimJSON
import TestSupport
import Testing

@Suite struct JSONEscapingTests {
    /// Among others a string with every kind of scalar that has its own escape, and one with each scalar below U+0100.
    static let strings: [String] =
        (0..<300 as Range<UInt64>).map { seed in
            var generator = JSONTextGenerator(seed: seed)
            let text = generator.string()
            return JSONString(quoted: 0..<text.count, hasEscapes: true).decoded(in: text)
        } + [
            "", "\"\\/\u{8}\u{C}\n\r\t\0\u{1F} \u{7F}\u{80}\u{85}\u{2027}\u{2028}\u{2029}\u{202A}\u{FFFF}\u{10FFFF}",
            String(String.UnicodeScalarView((0...0xFF).map { Unicode.Scalar($0 as UInt8) })),
        ]

    @Test(arguments: strings)
    func stringsRoundTripThroughFoundation(value: String) throws {
        var text = "prefix".bytes
        text.appendJSONString(value)
        #expect(text.starts(with: "prefix".bytes))
        text.removeFirst(6)
        #expect(try JSONTree(parsing: text) == .string(value.bytes))
        #expect(accepts(text, options: .validUTF8))
        expectOneLine(text)
    }

    @Test(arguments: [0, 0x1F, 0x85, 0xD800, 0xDC00, 0xFFFF, 0xABCD] as [UInt16])
    func escapesHaveFourDigits(unit: UInt16) {
        var text: [UInt8] = []
        text.appendUnicodeEscape(unit)
        #expect(text.count == 6)
        #expect(text.starts(with: #"\u"#.utf8))
        #expect(UInt16(String(decoding: text.dropFirst(2), as: UTF8.self), radix: 16) == unit)
    }

    @Test func keysAreSeparatedByCommas() throws {
        var text = "[{".bytes
        text.appendJSONKey("a")
        text += "1".utf8
        text.appendJSONKey("b")
        text += "{".utf8
        text.appendJSONKey("c")
        text += "[]".utf8
        text += "}".utf8
        text.appendJSONKey("d")
        text.appendJSONString("{")
        text.appendJSONKey("e")
        text += "null}]".utf8
        #expect(String(decoding: text, as: UTF8.self) == #"[{"a":1,"b":{"c":[]},"d":"{","e":null}]"#)
        var fragment: [UInt8] = []
        fragment.appendJSONKey("a")
        #expect(fragment == #""a":"#.bytes)
    }
}

/// Fails if `text` contains a character that some reader takes for the end of a line.
func expectOneLine(_ text: [UInt8], _ location: SourceLocation = #_sourceLocation) {
    let breaks: Set<Unicode.Scalar> = [
        "\n", "\r", "\u{B}", "\u{C}", "\u{1C}", "\u{1D}", "\u{1E}", "\u{85}", "\u{2028}", "\u{2029}",
    ]
    #expect(
        !String(decoding: text, as: UTF8.self).unicodeScalars.contains(where: breaks.contains),
        sourceLocation: location
    )
}
