import Foundation
import VerbatimJSON
import TestSupport
import Testing
import VerbatimAPI
import VerbatimTesting
import VerbatimSchema

/// Faulty streams of messages: all bytes pass, and the record keeps what came.
@Suite struct MessageRobustnessTests {
    private typealias Documented = MessageStreamTests

    /// Reads these events, checks that all of them pass, and returns the capture.
    private func capture(_ events: [String], _ goal: CaptureGoal = .text) throws -> Capture {
        let stream = messageStream(events)
        let driver = StreamDriver.run(try messageReply(goal), stream)
        #expect(driver.outputText == stream)
        let capture = driver.reply.captured()
        _ = try decoded(capture.response.bytes)
        return capture
    }

    private func content(_ events: [String]) throws -> String {
        let text = try capture([Documented.start] + events).responseText
        let start = try #require(text.firstRange(of: #""content":"#)).upperBound
        let end = try #require(text.firstRange(of: #","stop_reason":"#)).lowerBound
        return String(text[start..<end])
    }

    // MARK: Errors

    static let error = #"{"type":"error","error":{"type":"overloaded_error", "message":"Overloaded"},"request_id":"r"}"#

    @Test(arguments: [true, false])
    func errorInTheMiddleEndsTheCapture(isTerminated: Bool) throws {
        let events =
            [
                Documented.start, Documented.block(0, #"{"type":"text","text":""}"#), Documented.text(0, "Hel"),
                Self.error,
            ]
            + (isTerminated ? [Documented.stop] : [])
        let driver = StreamDriver.run(try messageReply(), messageStream(events))
        #expect(driver.outputText == messageStream(events))
        #expect(driver.errors == [#"{"type":"overloaded_error","message":"Overloaded"}"#])
        #expect(driver.events.map(\.isTerminal) == [false, false, false, false] + (isTerminated ? [true] : []))
        let capture = driver.reply.captured()
        let expected =
            #"{"id":"msg_1","type":"message","role":"assistant","model":"m","content":[{"type":"text","text":"Hel"}],"#
            + #""stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":25,"output_tokens":1},"#
            + #""upstream_status":null,"upstream_error":{"type":"overloaded_error","message":"Overloaded"}}"#
        #expect(capture.responseText == expected)
        #expect(capture.problems == [] && !capture.isComplete && capture.level == .text)
        #expect(capture.choices.first?.finishReason == nil)
    }

    @Test func errorMayComeFirst() throws {
        let capture = try capture([Self.error])
        #expect(
            capture.responseText
                == #"{"content":[],"upstream_status":null,"upstream_error":{"type":"overloaded_error","message":"Overloaded"}}"#
        )
        #expect(capture.level == .none && capture.choices.isEmpty && capture.problems == [])
    }

    @Test(arguments: [
        (#"{"error":"text"}"#, #""text""#), (#"{"error":{"code":500},"type":"x"}"#, #"{"code":500}"#),
        (#"{"type":"error","message":"m"}"#, #"{"type":"error","message":"m"}"#),
        (#"{"error":null,"type":"error"}"#, #"{"error":null,"type":"error"}"#),
    ])
    func otherErrorShapesAreReported(event: String, expected: String) throws {
        let driver = StreamDriver.run(try messageReply(), messageStream([Documented.start, event]))
        #expect(driver.errors == [expected])
        let whole = readWhole(try messageReply(), Array(event.utf8))
        #expect(whole.output == Array(event.utf8))
        #expect(whole.reply.error.text == expected)
        let capture = whole.reply.captured()
        #expect(capture.level == .none && !capture.isComplete && capture.responseText == event)
    }

    // MARK: Whole replies

    @Test(arguments: [
        (
            #"{"stop_reason":"end_turn","content":[],"type":"message","usage":{"output_tokens":NaN}}"#,
            CaptureLevel.text
        ),
        (#"{"content":[{"type":"text","text":"a"}]}"#, .text), (#"{}"#, .none), (#"{"object":"list"}"#, .none),
        (#"[]"#, .none), ("", .none), ("<html>", .none),
    ])
    func otherBodiesPass(body: String, level: CaptureLevel) throws {
        let read = readWhole(try messageReply(.tokens), Array(body.utf8))
        #expect(read.output == Array(body.utf8))
        let capture = read.reply.captured()
        #expect(capture.level == level && !capture.isComplete)
    }

    // MARK: Order and members

    @Test func memberOrderDoesNotMatter() throws {
        let found = try content([
            #"{"content_block":{"text":"","type":"text"},"index":0,"type":"content_block_start"}"#,
            #"{"delta":{"text":"a","type":"text_delta"},"index":0,"type":"content_block_delta"}"#,
            #"{ "index" : 0 , "d\u0065lta" : {"t\u0065xt":"b"}, "type" : "content_block_d\u0065lta" }"#,
        ])
        #expect(found == #"[{"text":"a","type":"text","t\u0065xt":"b"}]"#)
        let reply = try messageReply()
        #expect(isTerminal(#"data: {"x":{"type":"ping"},"type":"message_stop"}"#, for: reply))
        #expect(!isTerminal(#"data: {"x":{"type":"message_stop"},"type":"ping"}"#, for: reply))
        #expect(!isTerminal(#"data: {"type":"message_stop""#, for: reply))
        #expect(isTerminal("data: [DONE]\n\n", for: reply))
    }

    static let orders: [([String], String)] = [
        // Interleaved, in any order of their index.
        (
            [
                Documented.block(2, #"{"type":"text","text":"c"}"#),
                Documented.block(0, #"{"type":"text","text":"a"}"#),
                Documented.text(2, "C"), Documented.text(0, "A"), Documented.blockStop(0), Documented.text(2, "!"),
            ],
            #"[{"type":"text","text":"aA"},{"type":"text","text":"cC!"}]"#
        ),
        // No index.
        (
            [
                #"{"type":"content_block_start","content_block":{"type":"text","text":""}}"#,
                #"{"type":"content_block_delta","delta":{"type":"text_delta","text":"a"}}"#,
                #"{"type":"content_block_start","index":"x","content_block":{"type":"text","text":""}}"#,
                #"{"type":"content_block_delta","index":null,"delta":{"type":"text_delta","text":"b"}}"#,
            ],
            #"[{"type":"text","text":"a"},{"type":"text","text":"b"}]"#
        ),
        // Deltas of blocks without a start, or with a later one.
        ([Documented.text(7, "a"), Documented.text(7, "b")], #"[{"text":"ab"}]"#),
        (
            [Documented.text(1, "a"), Documented.block(1, #"{"type":"text","text":""}"#), Documented.text(1, "b")],
            #"[{"text":"ab","type":"text"}]"#
        ),
        ([Documented.input(0, "{}")], #"[{"input":{}}]"#),
        ([#"{"type":"content_block_delta","delta":{"type":"text_delta","text":"a"}}"#], #"[{"text":"a"}]"#),
        // One index for two blocks.
        (
            [
                Documented.block(0, #"{"type":"tool_use","id":"t1","input":{}}"#), Documented.input(0, "1"),
                Documented.block(0, #"{"type":"tool_use","id":"t2","input":{}}"#), Documented.input(0, "2"),
            ],
            #"[{"type":"tool_use","id":"t1","input":1},{"type":"tool_use","id":"t2","input":2}]"#
        ),
        // Unknown deltas and events.
        (
            [
                Documented.block(0, #"{"type":"compaction","content":null,"x":1}"#),
                Documented.delta(0, #"{"type":"compaction_delta","content":"a","x":2.50,"y":[1],"z":null}"#),
                Documented.delta(0, #"{"type":"compaction_delta","content":"b","x":null,"y":[{"q": 2}],"z":{}}"#),
                Documented.delta(0, #"{"type":"what_delta"}"#), #"{"type":"what","index":0,"delta":{"content":"c"}}"#,
                #"{"type":7}"#, "[]", "7", "null", #""message_stop""#,
            ],
            #"[{"type":"compaction","content":"ab","x":2.50,"y":[1,{"q":2}],"z":{}}]"#
        ),
        (
            [Documented.delta(0, #"{"type":"citations_delta","citation":1}"#)], #"[{"citations":[1]}]"#
        ),
        (
            [
                Documented.block(0, #"{"type":"text","text":"a","citations":null}"#),
                Documented.delta(0, #"{"type":"citations_delta","citation":{"a" : 1}}"#),
                Documented.delta(0, #"{"type":"text_delta","text":7}"#),
            ],
            #"[{"type":"text","text":7,"citations":[{"a":1}]}]"#
        ),
        // Parts that are no objects.
        (
            [
                #"{"type":"content_block_start","index":0}"#, #"{"type":"content_block_delta","index":0,"delta":"a"}"#,
                #"{"type":"content_block_start","index":0,"content_block":[]}"#, #"{"type":"message_delta","delta":3}"#,
                #"{"type":"message_start","message":null}"#,
            ],
            "[]"
        ),
        ([Documented.block(.max, "{}"), #"{"type":"content_block_start","content_block":{"a":1}}"#], #"[{"a":1},{}]"#),
        ([Documented.block(-1, "{}"), Documented.block(0, #"{"a":1,"a":2}"#)], #"[{},{"a":2}]"#),
    ]

    @Test(arguments: orders)
    func blocks(events: [String], expected: String) throws {
        #expect(try content(events) == expected)
    }

    @Test func blocksMayComeWithTheStart() throws {
        let start = Documented.start.replacing(#""content":[]"#, with: #""content":[{"type":"text","text":"a"},7]"#)
        let next = #"{"type":"content_block_start","content_block":{"type":"text","text":"c"}}"#
        let text = try capture([start, Documented.text(0, "b"), next]).responseText
        #expect(text.contains(#""content":[{"type":"text","text":"ab"},{"type":"text","text":"c"}],"stop_reason""#))
    }

    @Test func contentThatIsNoArrayIsKept() throws {
        let start = Documented.start.replacing(#""content":[]"#, with: #""content":"hi""#)
        #expect(try capture([start]).responseText.contains(#""content":"hi","stop_reason""#))
    }

    @Test func streamWithoutAStartIsAssembled() throws {
        let capture = try capture([
            Documented.text(0, "a"), Documented.end("end_turn"),
            #"{"usage":{"output_tokens":null,"x":1},"context_management":{"applied_edits":[]},"type":"message_delta"}"#,
            Documented.stop,
        ])
        #expect(
            capture.responseText
                == #"{"stop_reason":"end_turn","stop_sequence":null,"usage":{"output_tokens":15,"x":1},"#
                + #""context_management":{"applied_edits":[]},"content":[{"text":"a"}]}"#)
        #expect(capture.isComplete && capture.level == .text)
        #expect(capture.choices.first?.finishReason.text == #""end_turn""#)
    }

    @Test func emptyStreamIsMarked() throws {
        let empty = try capture([])
        #expect(empty.level == .none && empty.problems == ["stream_not_terminated"])
        #expect(empty.responseText == #"{"content":[]}"#)
        let pings = try capture([#"{"type":"ping"}"#, Documented.stop], .tokens)
        #expect(pings.level == .none && pings.choices.isEmpty)
    }

    // MARK: Values

    @Test func lossesAreMarked() throws {
        let start = Documented.start.replacing(#""input_tokens":25"#, with: #""input_tokens":NaN,"x":[-Infinity]"#)
        let numbers = try capture([start, Documented.stop])
        #expect(numbers.problems == ["non_finite_number"] && !numbers.isComplete)
        #expect(numbers.usage.text == #"{"input_tokens":null,"x":[null],"output_tokens":1}"#)
        for part in [Documented.text(0, "%"), Documented.input(0, "%"), Documented.block(0, #"{"%":1}"#)] {
            var stream: [UInt8] = []
            for byte in messageStream([Documented.start, part, Documented.stop]).utf8 {
                stream += byte == UInt8(ascii: "%") ? [0xC3, 0x28, 0xFF] : [byte]
            }
            let driver = StreamDriver.run(try messageReply(), stream)
            #expect(driver.output == stream)
            #expect(driver.reply.captured().problems == ["invalid_utf8"])
            #expect(driver.reply.captured().responseText.contains("\u{FFFD}(\u{FFFD}"))
        }
    }

    @Test func escapesAndNumbersSurvive() throws {
        let text = #"\n\u00e9é\/\ud83d"#
        let start = Documented.start.replacing(#""input_tokens":25"#, with: #""input_tokens":25.0,"y":1E+2"#)
        let block = Documented.block(0, #"{"type":"text","text":"\t","n":12345678901234567890}"#)
        let capture = try capture([start, block, Documented.text(0, text), Documented.text(0, #"\ude42"#)])
        #expect(
            capture.responseText.contains(
                #"{"type":"text","text":"\t\n\u00e9é\/\ud83d\ude42","n":12345678901234567890}"#))
        #expect(capture.usage.text == #"{"input_tokens":25.0,"y":1E+2,"output_tokens":1}"#)
    }

    /// Nothing of an invalid event is captured, so that later tokens stay aligned.
    @Test func invalidEventIsNotCaptured() throws {
        let whole = Documented.text(0, "a")
        for length in 1..<whole.utf8.count {
            let broken = String(whole.prefix(length))
            let capture = try capture([Documented.start, whole, broken, whole, Documented.stop])
            #expect(capture.problems == ["unparsed_event"])
            #expect(capture.responseText.contains(#""content":[{"text":"aa"}]"#))
        }
    }

    @Test func deepNestingPasses() throws {
        let deep = String(repeating: "[", count: 600) + String(repeating: "]", count: 600)
        let capture = try capture([Documented.start, Documented.block(0, #"{"x":\#(deep)}"#), Documented.stop])
        #expect(capture.problems == ["unparsed_event"])
    }

    /// Randomly damaged streams pass, and the record is JSON.
    @Test(arguments: [MessageStreamTests.parallelTools, MessageStreamTests.thinking])
    func damagedStreams(events: [String]) throws {
        let stream = Array(messageStream(events).utf8)
        var generator = SeededGenerator(seed: 7)
        let reply = try messageReply()
        for _ in 0..<400 {
            var damaged = stream
            for _ in 0..<Int.random(in: 1...6, using: &generator) {
                let place = Int.random(in: 0..<damaged.count, using: &generator)
                switch Int.random(in: 0..<4, using: &generator) {
                case 0: damaged.removeSubrange(place..<min(damaged.count, place + 5))
                case 1: damaged.insert(contentsOf: stream[place / 2..<min(stream.count, place / 2 + 90)], at: place)
                case 2: damaged[place] = UInt8.random(in: 0...255, using: &generator)
                default: damaged.insert(Array(#""\{}[],:"#.utf8).randomElement(using: &generator) ?? 0, at: place)
                }
            }
            let cuts = Set((0..<5).map { _ in Int.random(in: 0...damaged.count, using: &generator) }).sorted()
            let driver = StreamDriver.run(reply, damaged, cuts: cuts)
            #expect(driver.output == damaged)
            _ = try decoded(driver.reply.captured().response.bytes)
        }
    }

    /// The cost of an event does not depend on the events before it.
    @Test func longMessagesTakeLinearTime() throws {
        let deltas = (0..<20_000).map { Documented.input($0 % 100, "1") }
        let capture = try capture([Documented.start] + deltas + [Documented.end("end_turn"), Documented.stop])
        #expect(capture.responseText.count { $0 == "1" } > 20_000)
        #expect(capture.isComplete)
    }
}
