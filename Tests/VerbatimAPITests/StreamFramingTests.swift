import TestSupport
import VerbatimSchema
import Testing
import VerbatimAPI
import VerbatimTesting

/// The framing of an event.
@Suite struct StreamFramingTests {
    static let token =
        #"{"choices":[{"index":0,"delta":{"content":"a"},"logprobs":null,"token_ids":[7],"finish_reason":"stop"}]}"#
    static let restored = token.replacing("[7]", with: "null")

    /// The stream gives `expected`, whole and in single bytes.
    private func check(
        _ stream: String, gives expected: String, ids: String = "7",
        _ problems: [ProblemCode] = ["stream_not_terminated"]
    ) throws {
        let bytes = Array(stream.utf8)
        for cuts in [[], Array(1..<bytes.count)] {
            let driver = StreamDriver.run(try injectedReply { $0.goal = .tokens }, bytes, cuts: cuts)
            #expect(driver.outputText == expected)
            let capture = driver.reply.captured()
            #expect(capture.choices.first?.idsText ?? "" == ids)
            #expect(capture.problems == problems)
        }
    }

    @Test(arguments: ["\n", "\r\n", "\r"])
    func lineEndingsDoNotMatter(_ end: String) throws {
        try check("data: \(Self.token)\(end)\(end)", gives: "data: \(Self.restored)\(end)\(end)")
        try check(
            "data: \(Self.token)\(end)\(end)data: [DONE]\(end)\(end)",
            gives: "data: \(Self.restored)\(end)\(end)data: [DONE]\(end)\(end)", [])
    }

    @Test(arguments: [
        "data:@\n\n", "data:  @\n\n", "data: @ \n\n", "data:\t@\n\n", "event: message\ndata: @\n\n",
        "data: @\nevent: x\n\n",
        "id: 1\nretry: 5\ndata: @\nunknown: y\n\n", ": comment\ndata: @\n\n", "data: @\n: comment\n\n",
        "\n\ndata: @\n\n",
        ": keep-alive\n\n: OPENROUTER PROCESSING\n\n:\n\ndata: @\n\n:\n", "\u{FEFF}data: @\n\n", "data: @",
        "data: @\n", "data: @\r", "event: é🙂\ndata: @\n\n",
    ])
    func otherLinesOfAnEventAreKept(event: String) throws {
        try check(event.replacing("@", with: Self.token), gives: event.replacing("@", with: Self.restored))
    }

    @Test func dataOnSeveralLinesAreRestored() throws {
        try check(
            "data: {\"choices\":\ndata:[{\"index\":0,\ndata: \"delta\":{\"content\":\"a\"},\ndata: \"token_ids\":[7]}]}\n\n",
            gives:
                "data: {\"choices\":\ndata:[{\"index\":0,\ndata: \"delta\":{\"content\":\"a\"},\ndata: \"token_ids\":null}]}\n\n"
        )
        // A value on several lines is replaced.
        try check(
            "data: {\"choices\":[{\"delta\":{\"content\":\"a\"},\"token_ids\":[\ndata: 7\ndata: ]\ndata: }]}\n\n",
            gives: "data: {\"choices\":[{\"delta\":{\"content\":\"a\"},\"token_ids\":null\ndata: }]}\n\n")
        try check(
            "event: a\r\ndata: {\r\ndata\r\ndata:\r\ndata: \"choices\":[{\"delta\":{\"content\":\"a\"},\"token_ids\":[7]}]}\r\n\r\n",
            gives:
                "event: a\r\ndata: {\r\ndata\r\ndata:\r\ndata: \"choices\":[{\"delta\":{\"content\":\"a\"},\"token_ids\":null}]}\r\n\r\n"
        )
    }

    @Test func keyOnAnotherLineIsRemoved() throws {
        let stream = """
            data: {"choices":[{"index":0,"delta":{"content":"a"},
            data: "logprobs":
            data: {"content":[{"id":7,"token":"a","logprob":-1}]}
            data: }]}


            """
        for cuts in [[], Array(1..<stream.utf8.count)] {
            let driver = StreamDriver.run(try injectedReply(.llamaCpp), Array(stream.utf8), cuts: cuts)
            #expect(
                driver.outputText == "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a\"}\ndata: }]}\n\n")
            #expect(driver.reply.captured().choices.first?.idsText == "7")
        }
    }

    @Test(arguments: ["[DONE]", "[DONE] ", "[DONE]\t", " [DONE]", "[DONE]  "])
    func doneEndsTheStream(data: String) throws {
        for stream in ["data: \(data)\n\n", "data: \(data)\r\n\r\n", "data: \(data)"] {
            let driver = StreamDriver.run(try injectedReply(), stream)
            #expect(driver.events.first?.isTerminal == true)
            #expect(driver.outputText == stream)
            #expect(!driver.reply.captured().problems.contains("stream_not_terminated"))
        }
    }

    @Test(arguments: ["null", "[1]", "1", "true", #""text""#, "{}", "[]", "", "  "])
    func emptyDataPass(data: String) throws {
        try check("data: \(data)\n\ndata: \(Self.token)\n\n", gives: "data: \(data)\n\ndata: \(Self.restored)\n\n")
        try check("data:\(data)\n\ndata: \(Self.token)\n\n", gives: "data:\(data)\n\ndata: \(Self.restored)\n\n")
    }

    @Test(arguments: [
        "hello", "{", #"{"a":1"#, "[DONE", #"{"choices":[{]}"#, "{} {}", "nul", "'a'", "{\"a\":\"\u{7}\"}",
    ])
    func invalidDataPass(data: String) throws {
        try check(
            "data: \(data)\n\ndata: \(Self.token)\n\n", gives: "data: \(data)\n\ndata: \(Self.restored)\n\n",
            ["unparsed_event", "stream_not_terminated"])
    }

    @Test func eventsWithoutDataPass() throws {
        for stream in ["event: ping\n\n", "id: 3\n\n", "retry: 10\n\n", "nonsense\n\n", "\n", ":\n", "data\n\n"] {
            let driver = StreamDriver.run(try injectedReply(), stream)
            #expect(driver.outputText == stream)
            #expect(driver.reply.captured().problems.contains("unparsed_event") == false)
        }
    }

    @Test func bytesThatAreNotUTF8Pass() throws {
        let bad: [UInt8] = [0xFF, 0xC3, 0x28]
        let start = Array(#"data: {"choices":[{"index":0,"delta":{"content":""#.utf8)
        let stream = start + bad + Array("\"},\"token_ids\":[7]}]}\n\n".utf8)
        let driver = StreamDriver.run(try injectedReply(), stream)
        #expect(driver.output.starts(with: start + bad))
        #expect(driver.outputText.hasSuffix("\"token_ids\":null}]}\n\n"))
        let capture = driver.reply.captured()
        #expect(capture.responseText.contains("\u{FFFD}\u{FFFD}("))
        #expect(capture.problems.contains("invalid_utf8"))
    }
}
