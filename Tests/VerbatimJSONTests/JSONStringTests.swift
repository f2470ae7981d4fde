import VerbatimJSON
import TestSupport
import Testing

@Suite struct JSONStringTests {
    @Test(arguments: 0..<1500 as Range<UInt64>)
    func decodesLikeFoundation(seed: UInt64) throws {
        var generator = JSONTextGenerator(seed: seed, extras: [.loneSurrogates, .invalidUTF8])
        let padding = generator.whitespace()
        let text = padding + generator.string()
        guard case .string(let expected) = try JSONOracle.tree(of: text) else {
            Issue.record("not a string")
            return
        }
        var cursor = JSONCursor()
        let string = try cursor.skipString(in: text)
        #expect(string.quoted == padding.count..<text.count)
        #expect(string.content == padding.count + 1..<text.count - 1)
        #expect(string.hasEscapes == text.contains(UInt8(ascii: "\\")))
        #expect(string.decoded(in: text).bytes == expected)
        #expect(string.equals(expected, in: text))
        #expect(!string.equals(expected + [0], in: text))
        // `hasEscapes` may be true although there are none.
        let unsure = JSONString(quoted: string.quoted, hasEscapes: true)
        #expect(unsure.decoded(in: text).bytes == expected)
    }

    @Test(arguments: [
        (#"\ud83d\ude00"#, "😀"), (#"\uD83D\uDE00"#, "😀"), (#"\ud83d"#, "\u{FFFD}"), (#"\ude00"#, "\u{FFFD}"),
        (#"\ude00\ud83d"#, "\u{FFFD}\u{FFFD}"), (#"\ud83dx"#, "\u{FFFD}x"), (#"\ud83d\n"#, "\u{FFFD}\n"),
        (#"\ud83d\u0041"#, "\u{FFFD}A"), (#"\ud83d\ud83d\ude00"#, "\u{FFFD}😀"), (#"\ud83d\\ude00"#, "\u{FFFD}\\ude00"),
        (#"\u0000"#, "\0"), (#"\u2028\u0085"#, "\u{2028}\u{85}"), (#"\"\\\/\b\f\n\r\t"#, "\"\\/\u{8}\u{C}\n\r\t"),
        ("", ""),
        (#"\\u0041"#, #"\u0041"#), (#"\\\u0041"#, #"\A"#), (#"\uffff\udbff\udfff"#, "\u{FFFF}\u{10FFFF}"),
    ])
    func resolvesEscapes(content: String, expected: String) throws {
        let text = "\"\(content)\"".bytes
        var cursor = JSONCursor()
        let string = try cursor.skipString(in: text)
        #expect(string.decoded(in: text).bytes == expected.bytes)
    }

    @Test func comparesByValue() throws {
        func equals(_ content: String, _ expected: StaticString) throws -> Bool {
            let text = "\"\(content)\"".bytes
            var cursor = JSONCursor()
            let value = try cursor.skipValue(in: text)
            cursor = JSONCursor()
            let string = try cursor.skipString(in: text)
            let result = string.equals(expected, in: text)
            #expect(value.equals(expected, in: text) == result)
            #expect(string.equals(expected.description.bytes, in: text) == result)
            return result
        }
        #expect(try equals("id", "id"))
        #expect(try equals(#"\u0069d"#, "id"))
        #expect(try !equals("id", "ids"))
        #expect(try !equals("ids", "id"))
        #expect(try !equals("ID", "id"))
        #expect(try equals("", ""))
        #expect(try !equals("", "a"))
        #expect(try equals("é", "é"))
        #expect(try equals(#"\u00e9"#, "é"))
        #expect(try !equals("e\u{301}", "é"), "canonical equivalence does not count")
        #expect(try !equals(#"\n"#, #"\n"#), "the value is a line feed")
        #expect(try equals(#"\n"#, "\n"))
        #expect(try equals(#"\\n"#, #"\n"#))
        #expect(try !equals(#"\\"#, #"\\"#))
        #expect(try equals(#"\\"#, #"\"#))
    }

    @Test func valuesOfOtherKindsHaveNoStringValue() throws {
        for text in ["1", "null", "[\"id\"]", "{}"] {
            var cursor = JSONCursor()
            let value = try cursor.skipValue(in: text.bytes)
            #expect(!value.equals("id", in: text.bytes))
            #expect(value.string(in: text.bytes) == nil)
            cursor = JSONCursor()
            #expect(throws: JSONError(.unexpectedByte, at: 0)) { try cursor.skipString(in: text.bytes) }
        }
    }
}
