import TestSupport
import Testing

@testable import VerbatimJSON

/// Fails unless an outline and a cursor agree on whether `text` is JSON.
func expectSameVerdict(_ text: [UInt8], _ location: SourceLocation = #_sourceLocation) {
    var outline = JSONOutline()
    let isTaken = outline.take(of: text)
    guard isTaken != accepts(text, options: .nonFiniteNumbers) || (!isTaken && !outline.containers.isEmpty) else {
        return
    }
    Issue.record(
        "taken: \(isTaken), containers \(outline.containers.count): \(text) \(String(decoding: text, as: UTF8.self))",
        sourceLocation: location)
}

/// An outline accepts exactly the documents that a cursor accepts.
@Suite struct JSONOutlineTests {
    static let everything: JSONTextGenerator.Extras = [
        .nonFiniteNumbers, .invalidUTF8, .loneSurrogates, .hugeNumbers,
    ]

    @Test(arguments: 0..<1500 as Range<UInt64>)
    func acceptsEveryGeneratedText(seed: UInt64) {
        var generator = JSONTextGenerator(seed: seed, extras: Self.everything)
        let text = generator.document()
        #expect(JSONOutline(of: text) != nil)
    }

    @Test(arguments: 0..<300 as Range<UInt64>)
    func agreesWithTheCursorOnEveryPrefix(seed: UInt64) {
        var generator = JSONTextGenerator(seed: seed, extras: Self.everything, maximumDepth: 3)
        let text = generator.document()
        for length in 0...text.count { expectSameVerdict(Array(text[..<length])) }
    }

    @Test(arguments: JSONCursorTests.smallDocuments.indices)
    func agreesWithTheCursorOnEveryMutatedByte(document: Int) {
        let text = JSONCursorTests.smallDocuments[document]
        let replacements =
            "\"\\{}[],:-+.0e5tfnuNI \n\t/x".bytes + [0x00, 0x0B, 0x1F, 0x7F, 0x80, 0xC2, 0xE2, 0xFF]
        for index in text.indices {
            var changed = text
            changed.remove(at: index)
            expectSameVerdict(changed)
            for byte in replacements {
                changed = text
                changed[index] = byte
                expectSameVerdict(changed)
            }
            changed = text
            changed.insert(replacements[index % replacements.count], at: index)
            expectSameVerdict(changed)
        }
    }

    @Test(arguments: WireSample.all)
    func agreesWithTheCursorOnRecordedTexts(sample: WireSample) {
        for text in sample.documents {
            expectSameVerdict(text)
            for length in stride(from: 0, to: text.count, by: 1 + text.count / 10) {
                expectSameVerdict(Array(text[..<length]))
            }
        }
    }

    @Test(arguments: [("[", "]"), (#"{"a":"#, "}"), (#"[{"a": "#, " } ]")])
    func limitsTheDepth(opening: String, closing: String) {
        let levels = opening.count { $0 == "[" || $0 == "{" }
        for depth in [510, 511, 512, 513, 514, 5000] where depth % levels == 0 {
            for value in ["1", "", "[]", "{}"] {
                let count = depth / levels
                let text = String(repeating: opening, count: count) + value + String(repeating: closing, count: count)
                expectSameVerdict(text.bytes)
                expectSameVerdict("[[],{},".bytes + text.bytes + "]".bytes)
            }
        }
        let many = [UInt8](repeating: UInt8(ascii: "["), count: 1_000_000)
        expectSameVerdict(many)
    }

    /// White space, and characters that are not, before and after every token.
    @Test func whiteSpaceIsAcceptedBetweenTokensOnly() {
        let tokens = #"{ "a" : [ 1 , -2.5e+3 , { } , [ ] , NaN , true ] , "b" : { "c" : null } }"#.split(separator: " ")
        for space in [" ", "\n", "\r", "\t", " \r\n\t  ", "         ", "\u{0B}", "\u{0C}", "\u{0}", "\u{A0}", "\u{1F}"]
        {
            for place in 0...tokens.count {
                let text = tokens[..<place].joined() + space + tokens[place...].joined()
                expectSameVerdict(text.bytes)
                expectSameVerdict((space + text).bytes)
            }
            expectSameVerdict((space + tokens.joined(separator: space) + space).bytes)
            expectSameVerdict(space.bytes)
        }
        expectSameVerdict([])
    }

    /// Each number in every context, also so long that it is scanned eight bytes at a time.
    @Test(arguments: [
        "0", "-0", "01", "-01", "00", "1", "-", "--1", "+1", "-+1", "1.", "1.0", ".5", "-.5", "0.", "0.0", "00.5", "1e",
        "1e+", "1e-", "1E5", "1e05", "1e+5", "1e-05", "1e5.5", "1e5e5", "1.e5", "1.5e", "1.5.5", "0e0", "0x1", "1_0",
        "1-", "1+", "12345678", "123456789", "12345678.12345678", "12345678e12345678", "-12345678901234567890",
        "NaN", "-NaN", "Infinity", "-Infinity", "+Infinity", "Na", "NaNN", "Infinit", "Infinityy", "-Infinit", "-I",
        "-In", "nan", "infinity", "INFINITY", "N", "I", "i", "-", "1N", "1I", "NaN1", "tru", "true", "truee", "True",
        "fals", "false", "nul", "null", "nulll", "t", "f", "n", "1:", "1/", "1;", "1\u{0}", "1\u{80}", "12345678\u{80}",
    ])
    func agreesWithTheCursorOnNumbersAndWords(token: String) {
        let padding = String(repeating: "1", count: 9)
        for (front, back) in [
            ("", ""), (" ", " "), ("[", "]"), ("[ ", " ]"), ("[0,", ",0]"), (#"{"a":"#, "}"), (#"{"a":"#, #","b":0}"#),
            ("[", ""), ("[\"xxxxxxxx\",", "]         "), ("[[", ",1]]"), ("", padding), (padding, ""), ("-", padding),
        ] {
            expectSameVerdict((front + token + back).bytes)
        }
    }

    /// Each byte after each number of digits.
    @Test func agreesWithTheCursorOnEveryByteAfterANumber() {
        for length in [0, 1, 2, 6, 7, 8, 9, 16, 17] {
            for byte in UInt8.min...UInt8.max {
                let digits = [UInt8](repeating: UInt8(ascii: "7"), count: length)
                for back in ["", "]", "7]", "77777777]"] {
                    for front in ["[", "[1.", "[1e"] { expectSameVerdict(front.bytes + digits + [byte] + back.bytes) }
                }
            }
        }
    }

    @Test(arguments: [
        #"\u12"#, #"\u12G4"#, #"\u"#, #"\u0000"#, #"\uD800"#, #"\uabCD"#, #"\x"#, #"\"#, #"\\"#, #"\""#, #"\/"#, #"\b"#,
        #"\f"#, #"\n"#, #"\r"#, #"\t"#, #"\'"#, #"\U0041"#, #"\u00 1"#, #"\u+123"#, "\\\u{0}", "\\\n", "\n", "\t", "\r",
        "\u{0}", "\u{1F}", "\u{7F}", "\u{80}", "\u{2028}", "é", "😀", "a\"b",
    ])
    func agreesWithTheCursorOnEscapesAndControlCharacters(content: String) {
        for padding in 0...17 {
            for suffix in [0, 1, 5, 8] {
                let string =
                    "\"" + String(repeating: "x", count: padding) + content + String(repeating: "y", count: suffix)
                    + "\""
                for (front, back) in [("", ""), ("[", "]"), ("{", ":1}"), (#"{"a":"#, "}"), (#"{"a":1,"#, ":2}")] {
                    expectSameVerdict((front + string + back).bytes)
                    expectSameVerdict((front + String(string.dropLast()) + back).bytes)
                    expectSameVerdict((front + string.dropLast()).bytes)
                }
            }
        }
    }

    /// Strings that end or are truncated at every offset, with every byte at every offset.
    @Test func agreesWithTheCursorOnEveryByteAtEveryOffsetOfAString() {
        for length in [1, 2, 7, 8, 9, 17] {
            for place in 0..<length {
                for byte in UInt8.min...UInt8.max {
                    var content = [UInt8](repeating: UInt8(ascii: "x"), count: length)
                    content[place] = byte
                    expectSameVerdict("[\"".bytes + content + "\"]        ".bytes)
                    expectSameVerdict("\"".bytes + content)
                }
            }
        }
    }

    /// Arrays of natural numbers are scanned eight bytes at a time.
    @Test(arguments: 0..<200 as Range<UInt64>)
    func agreesWithTheCursorOnArraysOfNumbers(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        let (usual, others) = (Array("0123456789,,,,".utf8), Array("-.e ][}{\"n\u{e9}/:".utf8))
        for _ in 0..<300 {
            let length = random.int(1...24)
            var text = Array("[".utf8)
            for _ in 0..<length {
                // Mostly digits and commas, and a few bytes that are not allowed there.
                let bytes = random.chance(85) ? usual : others
                text.append(bytes[random.int(0...bytes.count - 1)])
            }
            if random.chance(80) { text.append(UInt8(ascii: "]")) }
            expectSameVerdict(text)
            expectSameVerdict(Array("{\"a\":".utf8) + text + Array("}".utf8))
            expectSameVerdict(Array(text.dropFirst()))
        }
    }

    /// An outline that is used again contains nothing of the text before, even if that text is not JSON.
    @Test(arguments: 0..<300 as Range<UInt64>)
    func anOutlineCanBeUsedAgain(seed: UInt64) {
        var generator = JSONTextGenerator(seed: seed, extras: Self.everything)
        var used = JSONOutline()
        for _ in 0..<6 {
            var text = generator.document()
            if generator.random.chance(30) { text.removeLast(generator.random.int(0...text.count)) }
            if generator.random.chance(30) { text = text.filter { $0 > 0x20 && $0 < 0x80 } }
            var fresh = JSONOutline()
            let isTaken = fresh.take(of: text)
            let isTakenAgain = used.take(of: text)
            #expect(isTakenAgain == isTaken)
            #expect(used.isNormal == fresh.isNormal)
            #expect(used.containers.prefix(used.count).map(\.end) == fresh.containers.prefix(fresh.count).map(\.end))
            #expect(used.containers.prefix(used.count).map(\.next) == fresh.containers.prefix(fresh.count).map(\.next))
        }
    }
}

extension WireSample {
    /// The JSON texts of an exchange: the request, the reply, and the data of each event.
    fileprivate var documents: [[UInt8]] {
        let reply =
            response.isEventStream
            ? NaiveEventStream.events(in: response.body).map { Array($0.data.utf8) } : [response.body]
        return [request.body] + reply
    }
}
