import TestSupport
import VerbatimSchema
import Foundation
import VerbatimJSON
import Testing
import VerbatimAPI
import VerbatimTesting

/// The assembly of streams as Anthropic documents them.
@Suite struct MessageStreamTests {
    static let start =
        #"{"type":"message_start","message":{"id":"msg_1","type":"message","role":"assistant","model":"m","content":[],"#
        + #""stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":25,"output_tokens":1}}}"#
    static let stop = #"{"type":"message_stop"}"#

    static func block(_ index: Int, _ block: String) -> String {
        #"{"type":"content_block_start","index":\#(index),"content_block":\#(block)}"#
    }

    static func delta(_ index: Int, _ delta: String) -> String {
        #"{"type":"content_block_delta","index":\#(index),"delta":\#(delta)}"#
    }

    static func text(_ index: Int, _ text: String) -> String {
        delta(index, #"{"type":"text_delta","text":"\#(text)"}"#)
    }

    /// `json` is a JSON string without its quotes.
    static func input(_ index: Int, _ json: String) -> String {
        delta(index, #"{"type":"input_json_delta","partial_json":"\#(json)"}"#)
    }

    static func end(_ reason: String, tokens: Int = 15) -> String {
        #"{"type":"message_delta","delta":{"stop_reason":"\#(reason)","stop_sequence":null},"#
            + #""usage":{"output_tokens":\#(tokens)}}"#
    }

    static func blockStop(_ index: Int) -> String { #"{"type":"content_block_stop","index":\#(index)}"# }

    /// The recorded `content` for these events between the start and the end.
    private func content(_ events: [String]) throws -> String {
        let stream = messageStream([Self.start] + events + [Self.end("end_turn"), Self.stop])
        let driver = StreamDriver.run(try messageReply(), stream)
        #expect(driver.outputText == stream)
        let text = driver.reply.captured().responseText
        _ = try decoded(text)
        let start = try #require(text.firstRange(of: #""content":"#)).upperBound
        let end = try #require(text.firstRange(of: #","stop_reason":"#)).lowerBound
        return String(text[start..<end])
    }

    // MARK: As documented

    static let parallelTools = [
        start, block(0, #"{"type":"text","text":""}"#), #"{"type": "ping"}"#, text(0, "Let me"), text(0, " look."),
        blockStop(0), block(1, #"{"type":"tool_use","id":"toolu_1","name":"get_weather","input":{}}"#), input(1, ""),
        input(1, #"{\"city\": \"San "#), input(1, #"Francisco\", \"days\": 1.50"#), input(1, "}"), blockStop(1),
        block(2, #"{"type":"tool_use","id":"toolu_2","name":"get_time","input":{}}"#), input(2, ""), blockStop(2),
        block(3, #"{"type":"tool_use","id":"toolu_3","name":"now","input":{}}"#), blockStop(3), end("tool_use"), stop,
    ]

    @Test func parallelToolCallsAreAssembled() throws {
        let stream = messageStream(Self.parallelTools)
        let driver = StreamDriver.run(try messageReply(), stream)
        #expect(driver.outputText == stream)
        let capture = driver.reply.captured()
        let expected =
            #"{"id":"msg_1","type":"message","role":"assistant","model":"m","content":[{"type":"text","text":"Let me look."},"#
            + #"{"type":"tool_use","id":"toolu_1","name":"get_weather","input":{"city":"San Francisco","days":1.50}},"#
            + #"{"type":"tool_use","id":"toolu_2","name":"get_time","input":{}},"#
            + #"{"type":"tool_use","id":"toolu_3","name":"now","input":{}}],"#
            + #""stop_reason":"tool_use","stop_sequence":null,"usage":{"input_tokens":25,"output_tokens":15}}"#
        #expect(capture.responseText == expected)
        #expect(try decoded(capture.response.bytes) == NaiveMessage(stream).response)
        #expect(capture.choices.first?.finishReason.text == #""tool_use""#)
        #expect(capture.usage.text == #"{"input_tokens":25,"output_tokens":15}"#)
        #expect(capture.model.text == #""m""# && capture.responseID.text == #""msg_1""#)
        #expect(capture.isComplete && capture.level == .text)
    }

    static let thinking = [
        start, block(0, #"{"type":"thinking","thinking":"","signature":""}"#),
        delta(0, #"{"type":"thinking_delta","thinking":"27 \u00d7 "}"#),
        delta(0, #"{"type":"thinking_delta","thinking":"453\n= 12231"}"#),
        delta(0, #"{"type":"signature_delta","signature":"EqQBCgIYAhIM1gbcDa9GJwZA2b3h"}"#), blockStop(0),
        block(1, #"{"type":"redacted_thinking","data":"abc=="}"#), blockStop(1),
        block(2, #"{"type":"text","text":"","citations":[]}"#),
        delta(2, #"{"type":"citations_delta","citation":{"type":"char_location","start_char_index":0}}"#),
        text(2, "12231"), delta(2, #"{"type":"citations_delta","citation":{"type":"char_location", "x":1e2}}"#),
        blockStop(2),
        #"{"type":"message_delta","delta":{"stop_reason":"stop_sequence","stop_sequence":"\n\n","container":{"id":"c"}},"#
            + #""usage":{"input_tokens":null,"output_tokens":70,"server_tool_use":{"web_search_requests":1}}}"#, stop,
    ]

    @Test func thinkingAndCitationsAreAssembled() throws {
        let stream = messageStream(Self.thinking)
        let capture = StreamDriver.run(try messageReply(), stream).reply.captured()
        let expected =
            #"{"id":"msg_1","type":"message","role":"assistant","model":"m","content":[{"type":"thinking","#
            + #""thinking":"27 \u00d7 453\n= 12231","signature":"EqQBCgIYAhIM1gbcDa9GJwZA2b3h"},"#
            + #"{"type":"redacted_thinking","data":"abc=="},{"type":"text","text":"12231","citations":["#
            + #"{"type":"char_location","start_char_index":0},{"type":"char_location","x":1e2}]}],"#
            + #""stop_reason":"stop_sequence","stop_sequence":"\n\n","usage":{"input_tokens":25,"output_tokens":70,"#
            + #""server_tool_use":{"web_search_requests":1}},"container":{"id":"c"}}"#
        #expect(capture.responseText == expected)
        #expect(try decoded(capture.response.bytes) == NaiveMessage(stream).response)
        #expect(capture.problems == [] && capture.isComplete)
    }

    @Test(arguments: [parallelTools, thinking])
    func framingDoesNotMatter(events: [String]) throws {
        let stream = messageStream(events)
        let expected = spelled(StreamDriver.run(try messageReply(), stream).reply.captured())
        let framings = [
            stream.replacing("\n", with: "\r\n"), stream.replacing("\n", with: "\r"),
            // Without names, without the space after the colon, over several lines, with comments, with [DONE].
            events.map { "data: \($0)\n\n" }.joined(), events.map { "data:\($0)\n\n" }.joined(),
            events.map { "data: \($0.replacing(#","index""#, with: ",\ndata: \"index\""))\n\n" }.joined(),
            ": hi\n\n" + stream.replacing("\n\n", with: "\n\n: keep-alive\n\n"), stream + "data: [DONE]\n\n",
            "\u{FEFF}" + stream,
        ]
        for framing in framings {
            let bytes = Array(framing.utf8)
            for driver in [
                StreamDriver.run(try messageReply(), bytes),
                StreamDriver.run(try messageReply(), bytes, cuts: 1..<bytes.count),
            ] {
                #expect(driver.output == bytes)
                #expect(spelled(driver.reply.captured()) == expected)
            }
        }
    }

    @Test(arguments: [parallelTools, thinking])
    func cutsDoNotMatter(events: [String]) throws {
        let stream = Array(messageStream(events).utf8)
        let reply = try messageReply()
        let expected = spelled(StreamDriver.run(reply, stream).reply.captured())
        StreamDriver.run(reply, stream, cutInTwoAt: stream.indices) { cut, driver in
            if driver.output == stream, spelled(driver.reply.captured()) == expected { return true }
            Issue.record("differs when cut behind \(cut) bytes")
            return false
        }
    }

    // MARK: Input

    @Test(arguments: [
        // Unchanged, except for white space between tokens.
        ([#"{\"a\" : [1.0,"#, #" 1e-5, 12345678901234567890]}"#], #"{"a":[1.0,1e-5,12345678901234567890]}"#),
        ([#"{\"a\":\"\\u00e9\\n"#, #"\u00e9é\"}"#], #"{"a":"\u00e9\néé"}"#),
        ([#"{\"a\":1,\"a\":2}"#], #"{"a":1,"a":2}"#),
        // An escape, a surrogate pair, a character may be split between pieces.
        ([#"{\"a\":\"\\"#, #"n\"}"#], #"{"a":"\n"}"#), ([#"\"\ud83d"#, #"\ude42\""#], #""🙂""#),
        // Other values than objects, which models on vLLM produce.
        (["[", "      tr", "u", "e", "    ]"], "[true]"), (["null"], "null"), ([#"\"x\""#], #""x""#),
        // Invalid JSON becomes a string.
        ([#"{\"city\": \"San"#], #""{\"city\": \"San""#), ([#"{\"a\":NaN}"#], #""{\"a\":NaN}""#),
        (["{}", "{}"], #""{}{}""#), ([" "], #"" ""#),
        ([#"\"\ufffd\\\\ud83d\ud83d\ude42\""#], #""\#u{FFFD}\\ud83d🙂""#),
        (["{\\\"a\\\":\\\"\u{2028}\\\"}"], #"{"a":"\u2028"}"#),
    ])
    func inputPiecesAreJoined(pieces: [String], expected: String) throws {
        let tool = #"{"type":"tool_use","id":"t","name":"f","input":{}}"#
        let found = try content([Self.block(0, tool)] + pieces.map { Self.input(0, $0) })
        #expect(found == #"[{"type":"tool_use","id":"t","name":"f","input":\#(expected)}]"#)
    }

    /// A lone surrogate, which Foundation refuses to read, is kept as an escape.
    @Test(arguments: [
        #"\"\ud83d\""#, #"\"\ude42\ud83d\""#, #"\"\ud83d\ud83d\ude42\""#, #"\"\ud83d\n\ude42\""#, #"\"\ude42\""#,
        #"\ud83d"#,
    ])
    func loneSurrogatesAreKept(piece: String) throws {
        let stream = messageStream([Self.start, Self.block(0, #"{"input":{}}"#), Self.input(0, piece)])
        let response = StreamDriver.run(try messageReply(), stream).reply.captured().responseText
        #expect(response.contains(#""content":[{"input":"\#(piece)"}]"#))
    }

    @Test func otherInputThanStringsBecomesItsText() throws {
        let tool = #"{"type":"tool_use","input":{}}"#
        let piece = Self.delta(0, #"{"type":"input_json_delta","partial_json":{"a": "b"}}"#)
        let nothing = Self.delta(0, #"{"type":"input_json_delta","partial_json":null}"#)
        #expect(try content([Self.block(0, tool), nothing]) == #"[{"type":"tool_use","input":{}}]"#)
        #expect(try content([Self.block(0, tool), piece, nothing]) == #"[{"type":"tool_use","input":{"a":"b"}}]"#)
    }

    @Test func deepInputIsKept() throws {
        let deep = String(repeating: "[", count: 500) + String(repeating: "]", count: 500)
        let tool = #"{"type":"server_tool_use","input":{}}"#
        let found = try content([Self.block(0, tool), Self.input(0, deep)])
        #expect(found == #"[{"type":"server_tool_use","input":\#(deep)}]"#)
        let tooDeep = String(repeating: "[", count: 600) + String(repeating: "]", count: 600)
        #expect(
            try content([Self.block(0, tool), Self.input(0, tooDeep)])
                == #"[{"type":"server_tool_use","input":"\#(tooDeep)"}]"#)
    }

    // MARK: Output

    @Test(arguments: [
        (block(0, #"{"type":"text","text":""}"#), false),
        (block(0, #"{"type":"text","text":"","citations":null}"#), false),
        (block(0, #"{"type":"thinking","thinking":"","signature":""}"#), false), (text(0, ""), false),
        (block(0, #"{"type":"tool_use","id":"t","name":"f","input":{}}"#), true),
        (block(0, #"{"type":"redacted_thinking","data":"x"}"#), true), (block(0, #"{"type":"text","text":"a"}"#), true),
        (text(0, "a"), true), (delta(0, #"{"type":"thinking_delta","thinking":"a"}"#), true), (input(0, "{"), true),
        (input(0, ""), false), (#"{"type":"ping"}"#, false), (end("end_turn"), false), (start, false),
    ])
    func outputIsNoticed(event: String, expected: Bool) throws {
        #expect(StreamDriver.run(try messageReply(), messageStream([Self.start, event])).reply.hasOutput == expected)
    }
}
