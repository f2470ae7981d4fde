import TestSupport
import Testing

@testable import VerbatimJSON

/// A cursor that follows an outline finds the same values as one that scans them.
@Suite struct FollowingCursorTests {
    /// Two cursors that read the same text. One of them follows the outline.
    private struct Walk {
        let text: [UInt8]
        var random: SeededGenerator
        var following: JSONCursor
        var plain = JSONCursor(options: .nonFiniteNumbers)

        init(_ text: [UInt8], following outline: JSONOutline, seed: UInt64) {
            self.text = text
            random = SeededGenerator(seed: seed)
            following = JSONCursor(following: outline)
        }

        /// Reads one value. Containers are entered or skipped at random.
        mutating func value() throws {
            // A copy may read ahead, even to the end, without an effect on the original.
            if random.chance(15) {
                var ahead = self
                try ahead.value()
            }
            if random.chance(20) { try skip(inCopies: true) }
            let kind = try plain.peekKind(in: text)
            let same = try following.peekKind(in: text)
            #expect(same == kind)
            guard random.chance(65) else { return try skip(inCopies: false) }
            switch kind {
            case .object:
                try plain.enterObject(in: text)
                try following.enterObject(in: text)
                while let key = try plain.nextKey(in: text) {
                    let same = try following.nextKey(in: text)
                    #expect(same == key)
                    try value()
                }
                let last = try following.nextKey(in: text)
                #expect(last == nil)
            case .array:
                try plain.enterArray(in: text)
                try following.enterArray(in: text)
                while try plain.nextElement(in: text) {
                    let isThere = try following.nextElement(in: text)
                    #expect(isThere)
                    try value()
                }
                let isThere = try following.nextElement(in: text)
                #expect(!isThere)
            case .string:
                let string = try plain.skipString(in: text)
                let same = try following.skipString(in: text)
                #expect(same == string)
            default: try skip(inCopies: false)
            }
            #expect(following.offset == plain.offset)
        }

        private mutating func skip(inCopies: Bool) throws {
            var (one, other) = (following, plain)
            let value = try other.skipValue(in: text)
            let same = try one.skipValue(in: text)
            #expect(same == value)
            #expect(one.offset == other.offset)
            if !inCopies { (following, plain) = (one, other) }
        }

        mutating func document() throws {
            try value()
            try plain.expectEnd(in: text)
            try following.expectEnd(in: text)
        }
    }

    private func outline(of text: [UInt8]) throws -> JSONOutline { try #require(JSONOutline(of: text)) }

    @Test(arguments: 0..<1000 as Range<UInt64>)
    func findsTheSameValues(seed: UInt64) throws {
        var generator = JSONTextGenerator(seed: seed, extras: JSONOutlineTests.everything, maximumDepth: 6)
        let text = generator.whitespace() + generator.array() + generator.whitespace()
        let outline = try outline(of: text)
        for walk in 0..<4 as Range<UInt64> {
            var walk = Walk(text, following: outline, seed: seed << 8 | walk)
            try walk.document()
        }
    }

    @Test(arguments: WireSample.all)
    func findsTheSameValuesInRecordedExchanges(sample: WireSample) throws {
        for text in [sample.request.body, sample.response.body] where accepts(text) {
            var walk = Walk(text, following: try outline(of: text), seed: UInt64(text.count))
            try walk.document()
        }
    }

    @Test(arguments: [
        "1", "\"a\"", "null", "{}", "[]", " [ ] ", "[[],[]]", #"{"a":{},"b":[{}],"c":{}}"#, "[[[[1]]],2]",
    ])
    func findsTheSameValuesInSmallDocuments(text: String) throws {
        for seed in 0..<50 as Range<UInt64> {
            var walk = Walk(text.bytes, following: try outline(of: text.bytes), seed: seed)
            try walk.document()
        }
    }

    @Test func findsTheSameValuesInTheDeepestDocument() throws {
        let depth = JSONCursor.maximumDepth
        let text = (String(repeating: "[0,", count: depth - 1) + "[]" + String(repeating: ",[]]", count: depth - 1))
            .bytes
        let outline = try outline(of: text)
        var cursor = JSONCursor(following: outline)
        for _ in 1..<depth {
            try cursor.enterArray(in: text)
            try expectElement(with: &cursor, of: text)
            try cursor.skipValue(in: text)
            try expectElement(with: &cursor, of: text)
        }
        try cursor.skipValue(in: text)
        for _ in 1..<depth {
            try expectElement(with: &cursor, of: text)
            let last = try cursor.skipValue(in: text)
            #expect(last.range.count == 2)
            let isThere = try cursor.nextElement(in: text)
            #expect(!isThere)
        }
        try cursor.expectEnd(in: text)
    }

    private func expectElement(with cursor: inout JSONCursor, of text: [UInt8]) throws {
        let isThere = try cursor.nextElement(in: text)
        #expect(isThere)
    }

    @Test(arguments: 0..<300 as Range<UInt64>)
    func locatesTheSameMembers(seed: UInt64) throws {
        var generator = JSONTextGenerator(seed: seed, extras: JSONOutlineTests.everything)
        let text = generator.object()
        var cursor = JSONCursor(following: try outline(of: text))
        let object = try JSONObject(with: &cursor, in: text)
        #expect(try object == JSONObject(scanning: text, options: .nonFiniteNumbers))
        try cursor.expectEnd(in: text)
    }

    // MARK: Normal texts

    /// Returns the range of every value of a document, and of the document itself.
    private func ranges(of text: [UInt8]) throws -> [Range<Int>] {
        var ranges: [Range<Int>] = []
        func walk(_ cursor: inout JSONCursor) throws {
            var ahead = cursor
            ranges.append(try ahead.skipValue(in: text).range)
            switch try cursor.peekKind(in: text) {
            case .object:
                try cursor.enterObject(in: text)
                while let key = try cursor.nextKey(in: text) {
                    ranges.append(key.quoted)
                    try walk(&cursor)
                }
            case .array:
                try cursor.enterArray(in: text)
                while try cursor.nextElement(in: text) { try walk(&cursor) }
            default: try cursor.skipValue(in: text)
            }
        }
        var cursor = JSONCursor(options: .nonFiniteNumbers)
        try walk(&cursor)
        return ranges
    }

    /// Follows the comment on `JSONNormalizer`: UTF-8, line separators escaped, no white space between tokens, no
    /// non-finite number.
    private func shouldBeNormal(_ text: [UInt8]) -> Bool {
        guard let string = String(validating: text, as: UTF8.self), accepts(text) else { return false }
        let hasLineBreaks = string.unicodeScalars.contains { [0x85, 0x2028, 0x2029].contains($0.value) }
        let mask = JSONOracle.stringMask(of: text)
        return !hasLineBreaks && text.indices.allSatisfy { mask[$0] || text[$0] > 0x20 }
    }

    private func expectNormalityKept(_ text: [UInt8], _ location: SourceLocation = #_sourceLocation) throws {
        let outline = try outline(of: text)
        #expect(outline.isNormal == shouldBeNormal(text), "\(text)", sourceLocation: location)
        #expect(JSONCursor(following: outline).isNormal == outline.isNormal, sourceLocation: location)
        guard outline.isNormal else { return }
        for range in try ranges(of: text) {
            var copy: [UInt8] = []
            let losses = JSONNormalizer.append(range, of: text, to: &copy)
            #expect(losses.isEmpty && copy == Array(text[range]), sourceLocation: location)
        }
    }

    @Test(arguments: 0..<1500 as Range<UInt64>)
    func aNormalTextIsEqualToItsNormalizedText(seed: UInt64) throws {
        var generator = JSONTextGenerator(
            seed: seed, extras: seed % 2 == 0 ? [.loneSurrogates, .hugeNumbers] : JSONOutlineTests.everything)
        let text = generator.document()
        try expectNormalityKept(text)
        // Most texts without white space and without characters beyond ASCII are normal.
        let mask = JSONOracle.stringMask(of: text)
        let dense = text.indices.filter { mask[$0] || text[$0] > 0x20 }.map { text[$0] }
        try expectNormalityKept(dense)
        try expectNormalityKept(dense.map { $0 < 0x80 ? $0 : UInt8(ascii: "~") })
    }

    @Test(arguments: WireSample.all)
    func recordedTextsAreNormalIfNormalizingKeepsThem(sample: WireSample) throws {
        for text in [sample.request.body, sample.response.body] where accepts(text) { try expectNormalityKept(text) }
    }

    /// Bytes beyond ASCII are found at every offset of the eight bytes that are scanned together, also next to the end.
    @Test func bytesBeyondASCIIAreFoundAtEveryOffset() throws {
        for front in 0..<8 {
            for length in 1...18 {
                for place in 0..<length {
                    for (byte, back) in [(0x80, 0), (0xFF, 9), (0xA2, 3), (0x80, 20)] as [(UInt8, Int)] {
                        var content = [UInt8](repeating: UInt8(ascii: "x"), count: length)
                        content[place] = byte
                        let text =
                            "[".bytes + [UInt8](repeating: UInt8(ascii: "1"), count: front + 1) + ",\"".bytes + content
                            + "\",\"".bytes + [UInt8](repeating: UInt8(ascii: "y"), count: back) + "\"]".bytes
                        let outline = try outline(of: text)
                        #expect(!outline.isNormal, "\(text)")
                    }
                }
            }
        }
    }

    @Test(arguments: [
        "{}", "[]", "0", "\"\"", #""\u2028\ud800\n""#, "\"\u{7F}\"", #"{"NaN":"Infinity"}"#,
        #"{"a":[1,-0,1E400,"a b"]}"#,
        "[true,false,null]", #"{"a":"\\"}"#, "\"é\"", "[\"日本語\",\"🎈\"]",
    ])
    func normalTextsAreRecognized(text: String) throws {
        #expect(try outline(of: text.bytes).isNormal)
        try expectNormalityKept(text.bytes)
    }

    @Test(arguments: [
        " {}", "{} ", "{ }", "[\n]", "[1, 2]", "[1 ,2]", #"{"a" :1}"#, #"{"a": 1}"#, #"{ "a":1}"#, #"{"a":1, "b":1}"#,
        "1\n", "NaN", "[NaN]", "-Infinity", "[1,Infinity]", "\"\u{85}\"", "\"\u{2028}\"", "\"\u{2029}\"",
        "\"12345678\u{2028}\"", "\"1234567\u{2028}\"", "{\"\u{2028}\":1}",
    ])
    func otherTextsAreNotNormal(text: String) throws {
        #expect(try !outline(of: text.bytes).isNormal)
        try expectNormalityKept(text.bytes)
    }

    @Test(arguments: JSONTextGenerator.invalidSequences)
    func invalidUTF8IsNotNormal(sequence: [UInt8]) throws {
        for padding in 0...9 {
            let text = "[\"".bytes + [UInt8](repeating: UInt8(ascii: "x"), count: padding) + sequence + "\",1]".bytes
            #expect(try !outline(of: text).isNormal)
        }
    }
}
