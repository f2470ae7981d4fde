import VerbatimJSON
import TestSupport
import Testing

@Suite struct JSONObjectTests {
    /// Each value that a cursor or ``JSONObject`` locates has the same meaning as the value that Foundation finds
    /// there.
    @Test(arguments: 0..<500 as Range<UInt64>)
    func locatedValuesHaveTheMeaningTheyHaveInPlace(seed: UInt64) throws {
        var generator = JSONTextGenerator(seed: seed, extras: .loneSurrogates)
        let text = generator.whitespace() + generator.object() + generator.whitespace()
        try checkValue(at: 0, of: text, means: JSONOracle.tree(of: text))
    }

    /// Compares the value at `offset`, and every value inside it, with `tree`.
    private func checkValue(at offset: Int, of text: [UInt8], means tree: JSONTree) throws {
        var cursor = JSONCursor(at: offset)
        let value = try cursor.skipValue(in: text)
        #expect(try JSONOracle.tree(of: value.bytes(in: text)) == tree)
        switch tree {
        case .object(let expected):
            let object = try #require(try JSONObject(scanning: text, at: offset))
            #expect(object.range == value.range)
            #expect(text[object.range.lowerBound] == UInt8(ascii: "{"))
            #expect(text[object.range.upperBound - 1] == UInt8(ascii: "}"))
            #expect(Set(object.members.map { $0.key.decoded(in: text).bytes }) == Set(expected.keys))
            for (key, memberTree) in expected {
                let name = String(decoding: key, as: UTF8.self)
                let member = try #require(object.member(named: name, in: text))
                try checkValue(at: member.value.range.lowerBound, of: text, means: memberTree)
            }
        case .array(let expected):
            var cursor = JSONCursor(at: offset)
            try cursor.enterArray(in: text)
            for element in expected {
                #expect(try cursor.nextElement(in: text))
                // A copy of a cursor may read ahead.
                var ahead = cursor
                let start = try ahead.skipValue(in: text).range.lowerBound
                try checkValue(at: start, of: text, means: element)
                cursor = ahead
            }
            #expect(try !cursor.nextElement(in: text))
            #expect(cursor.offset == value.range.upperBound)
        case .string(let bytes):
            #expect(value.string(in: text)?.bytes == bytes)
        default:
            #expect(value.string(in: text) == nil)
        }
    }

    @Test func theLastOfDuplicateKeysCounts() throws {
        let text = #"{"n":1,"\u006e":2,"m":0,"n" : [3] ,"\u006E":4}"#.bytes
        let object = try #require(try JSONObject(document: text))
        #expect(object.members.count == 5)
        #expect(object.value("n", in: text)?.int(in: text) == 4)
        #expect(object.member(named: "n", in: text) == object.members.last)
        #expect(object.member("n", in: text) == object.members.last)
        #expect(try JSONOracle.tree(of: text).members?["n".bytes] == .number("4"))
    }

    @Test(arguments: [
        #"logprobs"#, #"log\u0070robs"#, #"\u006c\u006f\u0067\u0070\u0072\u006f\u0062\u0073"#, #"logprob\u0073"#,
    ])
    func keysAreComparedByValue(spelling: String) throws {
        let text = "{\"other\":0,\"\(spelling)\":true}".bytes
        let object = try #require(try JSONObject(document: text))
        #expect(object.value("logprobs", in: text)?.kind == .true)
        #expect(object.member(named: "logprobs", in: text)?.value.kind == .true)
        #expect(object.value("logprob", in: text) == nil)
        #expect(object.value("logprobs2", in: text) == nil)
        #expect(object.value("Logprobs", in: text) == nil)
        #expect(object.member(named: "toplogprobs", in: text) == nil)
    }

    @Test func textAfterADocumentIsRejected() throws {
        #expect(throws: JSONError(.trailingBytes, at: 3)) { try JSONObject(document: "{} x".bytes) }
        #expect(throws: JSONError(.trailingBytes, at: 3)) { try JSONObject(document: "[] {}".bytes) }
        #expect(throws: JSONError(.unexpectedEnd, at: 1)) { try JSONObject(document: "{".bytes) }
        #expect(try JSONObject(document: " [] ".bytes) == nil)
        #expect(try JSONObject(document: "\"{}\"".bytes) == nil)
        #expect(try JSONObject(scanning: "[{} x".bytes, at: 1)?.range == 1..<3)
        #expect(try JSONObject(scanning: "[{} x".bytes) == nil)
    }

    @Test func optionsApplyToMembers() throws {
        let nonFinite = #"{"a":NaN}"#.bytes
        #expect(throws: JSONError.self) { try JSONObject(document: nonFinite) }
        #expect(
            try JSONObject(document: nonFinite, options: .nonFiniteNumbers)?.members.first?.value.kind == .nonFinite
        )
        let invalid = "{\"".bytes + [0xFF] + "\":1}".bytes
        #expect(try JSONObject(document: invalid)?.members.count == 1)
        #expect(throws: JSONError(.invalidUTF8, at: 2)) { try JSONObject(document: invalid, options: .validUTF8) }
    }
}
