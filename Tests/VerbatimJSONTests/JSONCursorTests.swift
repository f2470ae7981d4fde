import VerbatimJSON
import TestSupport
import Testing

/// Returns whether all of `text` is one JSON value.
func accepts(_ text: [UInt8], options: JSONCursor.Options = []) -> Bool { scanError(text, options: options) == nil }

/// Returns the error of the cursor, or nil if it accepts `text`.
func scanError(_ text: [UInt8], options: JSONCursor.Options = []) -> JSONError? {
    var cursor = JSONCursor(options: options)
    do throws(JSONError) {
        try cursor.skipValue(in: text)
        try cursor.expectEnd(in: text)
        return nil
    } catch {
        return error
    }
}

/// Fails unless cursor and oracle agree on `text`, with invalid UTF-8 allowed and forbidden.
func expectAgreement(_ text: [UInt8], _ location: SourceLocation = #_sourceLocation) {
    let isAccepted = JSONOracle.accepts(text)
    let isUTF8 = String(validating: text, as: UTF8.self) != nil
    for validUTF8 in [false, true] {
        // To the oracle, valid UTF-8 is one text, whatever it thinks of invalid UTF-8.
        let expected = isUTF8 || !validUTF8 ? isAccepted : JSONOracle.accepts(text, validUTF8: true)
        guard accepts(text, options: validUTF8 ? .validUTF8 : []) != expected else { continue }
        Issue.record(
            "should be \(expected), validUTF8 \(validUTF8): \(text) \(String(decoding: text, as: UTF8.self))",
            sourceLocation: location
        )
    }
}

@Suite struct JSONCursorTests {
    /// Seeds of small generated documents. These are mutated and truncated.
    static let smallDocuments: [[UInt8]] =
        (0..<400 as Range<UInt64>).lazy
        .map { seed in
            var generator = JSONTextGenerator(seed: seed, extras: [.loneSurrogates, .hugeNumbers], maximumDepth: 3)
            return generator.document()
        }
        .filter { (2...70).contains($0.count) }
        .prefix(80) + handWritten

    static let handWritten = [
        #"{"a":[1,-0.5e+3,{"b":null}],"é":"\ud83d\ude00x\n","c":[true,false,[]],"d":{}}"#.bytes,
        "[ 0 , -0 , 10.25 , 1E400 , 2e-7 ]".bytes,
        #"["\"\\\/\b\f\n\r\t\u00e9\uD800","€😀"]"#.bytes,
    ]

    @Test(arguments: 0..<2000 as Range<UInt64>)
    func acceptsEveryGeneratedText(seed: UInt64) {
        var generator = JSONTextGenerator(seed: seed, extras: [.loneSurrogates, .hugeNumbers, .invalidUTF8])
        let text = generator.document()
        #expect(scanError(text) == nil)
        expectAgreement(text)
    }

    @Test func agreesWithFoundationOnEveryTruncation() {
        for text in Self.smallDocuments {
            for length in 0..<text.count {
                expectAgreement(Array(text[..<length]))
                expectAgreement(Array(text[(text.count - length)...]))
            }
        }
    }

    @Test(arguments: smallDocuments.indices)
    func agreesWithFoundationOnEveryMutatedByte(document: Int) {
        let text = Self.smallDocuments[document]
        let replacements =
            "\"\\{}[],:-+.0e5tfnuN \n\t/x".bytes + [0x00, 0x0B, 0x1F, 0x7F, 0x80, 0xC2, 0xE2, 0xED, 0xF0, 0xFF]
        for index in text.indices {
            var changed = text
            changed.remove(at: index)
            expectAgreement(changed)
            for byte in replacements {
                changed = text
                changed[index] = byte
                expectAgreement(changed)
            }
            changed = text
            changed.insert(replacements[index % replacements.count], at: index)
            expectAgreement(changed)
        }
    }

    @Test func agreesWithFoundationOnEveryByteAtEveryOffsetOfAString() {
        // The scanner reads eight bytes at a time: each byte must be found at each offset, followed by each other byte.
        for length in 0...17 {
            for place in 0..<length {
                for byte in UInt8.min...UInt8.max {
                    var content = [UInt8](repeating: UInt8(ascii: "x"), count: length)
                    content[place] = byte
                    expectAgreement("\"".bytes + content + "\"".bytes)
                }
            }
        }
    }

    @Test func agreesWithTheGrammarOnEveryPairOfBytes() {
        let isPlain = (UInt8.min...UInt8.max).map { $0 >= 0x20 && $0 != 0x22 && $0 != 0x5C }
        let isEscaped = (UInt8.min...UInt8.max).map { "\"\\/bfnrt".utf8.contains($0) }
        for first in UInt8.min...UInt8.max {
            for second in UInt8.min...UInt8.max {
                let text = "\"".bytes + [first, second] + "\"".bytes
                let isExpected = isPlain[Int(first)] && isPlain[Int(second)] || first == 0x5C && isEscaped[Int(second)]
                let isUTF8 = String(validating: text, as: UTF8.self) != nil
                // One expectation for each pair would take longer than all pairs.
                if accepts(text) != isExpected || accepts(text, options: .validUTF8) != (isExpected && isUTF8) {
                    Issue.record("\(text)")
                }
            }
        }
    }

    @Test(arguments: JSONTextGenerator.invalidSequences)
    func rejectsInvalidUTF8OnlyWithTheOption(sequence: [UInt8]) {
        for padding in 0...9 {
            let front = [UInt8](repeating: UInt8(ascii: "x"), count: padding)
            for back in ["", "y", "12345678"] {
                let text = "\"".bytes + front + sequence + back.bytes + "\"".bytes
                #expect(accepts(text))
                #expect(scanError(text, options: .validUTF8)?.reason == .invalidUTF8)
                expectAgreement(text)
            }
        }
        #expect(!accepts(sequence) && !accepts("[".bytes + sequence + "]".bytes), "outside of a string never")
    }

    /// Cases of the grammar written by hand, above all those in which Foundation differs (see ``JSONOracle``).
    @Test(arguments: [
        ("[1,]", false), (#"{"a":1,}"#, false), ("[,]", false), ("[1,,2]", false), ("{,}", false),
        ("\u{FEFF}{}", false), ("1\0", false), ("\u{0}1", false), ("[\0]", false),
        (#""\ud800""#, true), (#""\udc00""#, true), (#""\ud800\u0041""#, true), (#""\ud800\ud800\udc00""#, true),
        (#"{"\udfff":1}"#, true), ("1E400", true), ("-1E400", true), ("1e-400", true), ("1e99999999999999999999", true),
        (String(repeating: "9", count: 5000), true), ("-0", true), ("-0.0", true), ("0e0", true), ("01", false),
        ("-01", false), ("00", false), ("1.", false), (".1", false), ("1e", false), ("1e+", false), ("+1", false),
        ("-", false), ("--1", false), ("0x10", false), ("1.e1", false), ("1e1.5", false), ("1_000", false),
        ("NaN", false), ("Infinity", false), ("-Infinity", false), ("nan", false), ("True", false), ("nul", false),
        ("nulll", false), ("", false), (" ", false), ("{}x", false), ("{}{}", false), ("[1]]", false), ("[}", false),
        (#"{"a":1]"#, false), (#"{"a"}"#, false), (#"{"a":}"#, false), (#"{"a" 1}"#, false), ("{a:1}", false),
        ("{1:1}", false), (#"{"a":1 "b":2}"#, false), (#"{"a":1,"a":2}"#, true), ("'a'", false), ("// c\n1", false),
        ("/**/1", false), ("[1]\u{0B}", false), ("[1]\u{0C}", false), ("[1]\u{A0}", false), ("\u{2028}1", false),
        (" \t\r\n1 \t\r\n", true), (#""\x""#, false), (#""\u12""#, false), (#""\u12G4""#, false), (#""\U0041""#, false),
        (#""\"#, false), (#""\u"#, false), (#""\""#, false), ("\"a\nb\"", false), ("\"a\tb\"", false),
        ("\"\0\"", false),
        ("\"\u{7F}\u{85}\u{2028}\"", true), (#""\/""#, true), (#""\u0000""#, true), (#""\'""#, false),
    ])
    func followsTheGrammar(text: String, isJSON: Bool) {
        #expect(accepts(text.bytes, options: .validUTF8) == isJSON)
        #expect(JSONOracle.accepts(text.bytes, validUTF8: true) == isJSON, "the oracle is wrong")
    }

    @Test(arguments: [("[", "]"), (#"{"a":"#, "}"), (#"[{"a": "#, " } ]")])
    func limitsTheDepthAsFoundationDoes(opening: String, closing: String) {
        let levels = opening.count { $0 == "[" || $0 == "{" }
        for depth in [510, 511, 512, 513, 514, 5000] where depth % levels == 0 {
            let count = depth / levels
            let text = (String(repeating: opening, count: count) + "1" + String(repeating: closing, count: count)).bytes
            expectAgreement(text)
            #expect(scanError(text)?.reason == (depth > JSONCursor.maximumDepth ? .tooDeep : nil))
            let deeper = "[[],{},".bytes + text + "]".bytes
            #expect(scanError(deeper)?.reason == (depth + 1 > JSONCursor.maximumDepth ? .tooDeep : nil))
        }
    }

    @Test func aRecordMayBeEightLevelsDeeper() {
        for depth in [512, 513, 520, 521] {
            let text = (String(repeating: "[", count: depth) + String(repeating: "]", count: depth)).bytes
            #expect(scanError(text, options: .recordDepth)?.reason == (depth > 520 ? .tooDeep : nil))
        }
    }

    @Test func depthDecreasesAfterEachContainer() {
        let text = "[".bytes + Array(repeatElement("[[]],{\"a\":{}},".bytes, count: 1000).joined()) + "[]]".bytes
        #expect(accepts(text))
    }

    @Test func manyOpeningBracketsDoNotExhaustTheStack() {
        #expect(scanError([UInt8](repeating: UInt8(ascii: "["), count: 1_000_000))?.reason == .tooDeep)
    }

    // MARK: Non-finite numbers

    @Test(arguments: [
        "NaN", "Infinity", "-Infinity", " NaN ", "[NaN,-Infinity , Infinity]", #"{"a":NaN,"b":-Infinity}"#,
    ])
    func acceptsNonFiniteNumbersWithTheOption(text: String) {
        #expect(accepts(text.bytes, options: .nonFiniteNumbers))
        #expect(!accepts(text.bytes))
        for length in 0..<text.utf8.count - 1 where text.utf8.last != UInt8(ascii: " ") {
            #expect(!accepts(Array(text.bytes[..<length]), options: .nonFiniteNumbers))
        }
    }

    @Test(arguments: [
        "-NaN", "+Infinity", "+NaN", "nan", "infinity", "Inf", "-Inf", "NaNN", "InfinityInfinity", "--Infinity",
        "- Infinity",
        "N", "I", "-I", "-", "Na", "{NaN:1}", "[NaN NaN]", "Nan", "-infinity", "1Infinity",
    ])
    func rejectsWordsThatResembleNonFiniteNumbers(text: String) {
        #expect(!accepts(text.bytes, options: .nonFiniteNumbers))
    }

    @Test func returnsTheKindOfEachValue() throws {
        let text = #"[{},[],"s",0,-1,true,false,null,NaN,Infinity,-Infinity]"#.bytes
        let expected: [JSONKind] = [
            .object, .array, .string, .number, .number, .true, .false, .null, .nonFinite, .nonFinite, .nonFinite,
        ]
        var cursor = JSONCursor(options: .nonFiniteNumbers)
        var kinds: [JSONKind] = []
        try cursor.enterArray(in: text)
        while try cursor.nextElement(in: text) {
            let kind = try cursor.peekKind(in: text)
            let value = try cursor.skipValue(in: text)
            #expect(value.kind == kind)
            kinds.append(kind)
        }
        try cursor.expectEnd(in: text)
        #expect(kinds == expected)
    }

    // MARK: Errors

    @Test(arguments: [
        ("[1,2", JSONError.Reason.unexpectedEnd, 4), ("[1 2]", .unexpectedByte, 3), (#""a\x""#, .invalidEscape, 2),
        ("\"ab\n\"", .controlCharacter, 3), ("[-]", .invalidNumber, 2), ("{} {}", .trailingBytes, 3),
        ("", .unexpectedEnd, 0),
    ])
    func returnsReasonAndOffsetOfAnError(text: String, reason: JSONError.Reason, offset: Int) {
        #expect(scanError(text.bytes) == JSONError(reason, at: offset))
    }

    @Test func theOffsetOfAnErrorIsWithinTheText() {
        for text in Self.smallDocuments {
            for length in text.indices {
                guard let error = scanError(Array(text[..<length])) else { continue }
                #expect((0...length).contains(error.offset))
            }
        }
    }
}
