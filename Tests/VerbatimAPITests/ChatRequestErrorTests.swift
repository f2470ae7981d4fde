import VerbatimJSON
import Testing
import VerbatimAPI

/// Bodies that are not forwarded.
@Suite struct ChatRequestErrorTests {
    private func error(_ body: [UInt8]) -> RequestError? {
        do {
            _ = try APIRegistry.request(to: .chatCompletions, body: body)
            return nil
        } catch {
            return error
        }
    }

    @Test(arguments: [
        "", " ", "\n", "{", "}", "{]", #"{"a"}"#, #"{"a":}"#, #"{"a":1,}"#, #"{,}"#, #"{"a":1 "b":2}"#, "{}{}", "{} x",
        #"{"a":01}"#, #"{"a":1.}"#, #"{"a":.5}"#, #"{"a":+1}"#, #"{"a":NaN}"#, #"{"a":Infinity}"#, #"{"a":-Infinity}"#,
        #"{"a":tru}"#, #"{'a':1}"#, #"{"a":"\x"}"#, #"{"a":"\u12"}"#, "{\"a\":\"\n\"}", "{\"a\":1}//", "nope",
        "hello: 1",
    ])
    func refusesInvalidJSON(body: String) throws {
        let message = try #require(error(Array(body.utf8))?.message)
        #expect(message.hasPrefix("the request body is not valid JSON"))
    }

    @Test(arguments: ["[]", "[{}]", "1", "null", "true", #""text""#, " [1] "])
    func refusesOtherValuesThanObjects(body: String) throws {
        #expect(try #require(error(Array(body.utf8))?.message) == "the request body must be a JSON object")
    }

    @Test(
        arguments: [
            [0xFF], [0xC0, 0xAF], [0xED, 0xA0, 0x80], [0xE2, 0x82], [0xF4, 0x90, 0x80, 0x80], [0x80], [0xC3],
        ] as [[UInt8]])
    func refusesInvalidUTF8(sequence: [UInt8]) {
        #expect(error(Array(#"{"a":""#.utf8) + sequence + Array(#""}"#.utf8)) != nil)
        #expect(error(Array(#"{""#.utf8) + sequence + Array(#"":1}"#.utf8)) != nil)
        #expect(error(sequence) != nil)
    }

    @Test func refusesATruncatedBody() {
        let body = Array(#"{"a":[1,{"b":"é\u00e9"}],"logprobs":true,"c":-1.5e+3}"#.utf8)
        for length in 0..<body.count {
            #expect(error(Array(body[..<length])) != nil, "cut behind \(length) bytes")
        }
        #expect(error(body) == nil)
    }

    @Test func refusesDeepNesting() {
        func nested(_ depth: Int) -> [UInt8] {
            let arrays = depth - 1
            let text = #"{"a":"# + String(repeating: "[", count: arrays) + String(repeating: "]", count: arrays) + "}"
            return Array(text.utf8)
        }
        #expect(error(nested(JSONCursor.maximumDepth)) == nil)
        #expect(error(nested(JSONCursor.maximumDepth + 1)) != nil)
        #expect(error(Array(repeating: UInt8(ascii: "["), count: 1_000_000)) != nil)
    }
}
