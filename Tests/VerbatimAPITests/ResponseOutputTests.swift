import Foundation
import TestSupport
import Testing
import VerbatimAPI
import VerbatimJSON
import VerbatimSchema
import VerbatimTesting

/// What a response contains when its terminal event says less, or something else, than the events before it.
@Suite struct ResponseOutputTests {
    static let created =
        #"{"type":"response.created","response":{"id":"r","object":"response","model":"m","status":"in_progress","output":[],"usage":null}}"#
    static let message = #"{"id":"m0","type":"message","role":"assistant","content":[]}"#
    static let call = #"{"id":"c1","type":"function_call","call_id":"k1","name":"f","arguments":""}"#
    static let doneMessage =
        #"{"id":"m0","type":"message","role":"assistant","content":[{"type":"output_text","text":"Hi!"}]}"#
    static let doneCall = #"{"id":"c1","type":"function_call","call_id":"k1","name":"f","arguments":"{}"}"#

    static func added(_ index: Int?, _ item: String) -> String {
        event("output_item.added", index, #""item":\#(item)"#)
    }
    static func done(_ index: Int?, _ item: String) -> String { event("output_item.done", index, #""item":\#(item)"#) }

    static func delta(_ kind: String, _ index: Int?, _ id: String?, _ delta: String, part: Int? = nil) -> String {
        let part = part.map { #""content_index":\#($0),"# } ?? ""
        return event("\(kind).delta", index, part + #""delta":"\#(delta)""#, id: id)
    }

    static func event(_ type: String, _ index: Int?, _ more: String, id: String? = nil) -> String {
        let place = (index.map { #""output_index":\#($0),"# } ?? "") + (id.map { #""item_id":"\#($0)","# } ?? "")
        return #"{"type":"response.\#(type)",\#(place)\#(more)}"#
    }

    static func end(_ output: String?, _ status: String = "completed", usage: String = #"{"output_tokens":2}"#)
        -> String
    {
        let output = output.map { #","output":\#($0)"# } ?? ""
        return
            #"{"type":"response.\#(status)","response":{"id":"r","object":"response","model":"m","status":"\#(status)"\#(output),"usage":\#(usage)}}"#
    }

    /// Reads a stream for a request of text only, checks that all of it passes, and returns the capture.
    static func capture(_ events: [String], done: Bool = false) throws -> Capture {
        let stream = responseStream([created] + events) + (done ? "data: [DONE]\n\n" : "")
        let driver = StreamDriver.run(try untouchedResponse(), stream)
        #expect(driver.outputText == stream)
        let capture = driver.reply.captured()
        _ = try decoded(capture.response.bytes)
        return capture
    }

    private func output(_ events: [String]) throws -> String? {
        let capture = try Self.capture(events)
        let response = try #require(decoded(capture.response.bytes) as? [String: Any])
        guard let output = response["output"] else { return nil }
        let data = try JSONSerialization.data(withJSONObject: output, options: [.sortedKeys, .withoutEscapingSlashes])
        return String(decoding: data, as: UTF8.self)
    }

    private func sorted(_ json: String) throws -> String {
        let data = try JSONSerialization.data(
            withJSONObject: decoded(json), options: [.sortedKeys, .withoutEscapingSlashes])
        return String(decoding: data, as: UTF8.self)
    }

    // MARK: Items that the end leaves out

    private static let items = [
        added(0, message), delta("output_text", 0, "m0", "Hi!", part: 0), done(0, doneMessage), added(1, call),
        delta("function_call_arguments", 1, "c1", "{}"), done(1, doneCall),
    ]

    @Test(arguments: [#"[]"#, "null", nil], ["completed", "incomplete", "failed"])
    func anEndWithoutOutputHasTheItemsThatWereSent(output: String?, status: String) throws {
        #expect(
            try self.output(Self.items + [Self.end(output, status)])
                == sorted("[\(Self.doneMessage),\(Self.doneCall)]"))
    }

    @Test func aCompletedStreamIsCompleteAlthoughItsEndHasNoOutput() throws {
        let capture = try Self.capture(Self.items + [Self.end("[]")])
        #expect(capture.isComplete && capture.problems == [] && capture.level == .text)
        #expect(capture.choices.first?.finishReason.text == #""completed""#)
    }

    /// Without a whole item, the output is made of deltas.
    @Test func anEndWithoutOutputHasWhatTheDeltasMade() throws {
        let events = Self.items.filter { !$0.contains("output_item.done") }
        let expected =
            #"[{"id":"m0","type":"message","role":"assistant","content":[{"type":"output_text","text":"Hi!"}]},"#
            + Self.doneCall + "]"
        #expect(try output(events + [Self.end("[]")]) == sorted(expected))
    }

    @Test(arguments: [
        ([doneCall], [doneMessage, doneCall]), ([doneMessage], [doneMessage, doneCall]),
        ([doneCall, doneMessage], [doneCall, doneMessage]),
        (
            [#"{"id":"new","type":"web_search_call","status":"completed"}"#, doneCall],
            [#"{"id":"new","type":"web_search_call","status":"completed"}"#, doneMessage, doneCall]
        ),
        // The end counts for what it contains, also if it names it by another id.
        (
            [doneMessage.replacing("Hi!", with: "Bye"), doneCall.replacing(#""{}""#, with: #""{\"a\":1}""#)],
            [doneMessage.replacing("Hi!", with: "Bye"), doneCall.replacing(#""{}""#, with: #""{\"a\":1}""#)]
        ),
        (
            [doneMessage.replacing("m0", with: "other"), doneCall.replacing("c1", with: "another")],
            [doneMessage.replacing("m0", with: "other"), doneCall.replacing("c1", with: "another")]
        ),
        // An empty list or text in it says nothing.
        (
            [#"{"id":"m0","type":"message","content":[]}"#, call],
            [
                #"{"id":"m0","type":"message","content":[{"type":"output_text","text":"Hi!"}]}"#,
                doneCall,
            ]
        ),
    ])
    func itemsThatTheEndLacksAreAdded(sent: [String], expected: [String]) throws {
        let expected = "[\(expected.joined(separator: ","))]"
        #expect(try output(Self.items + [Self.end("[\(sent.joined(separator: ","))]")]) == sorted(expected))
    }

    /// A message that was announced, and for which nothing came, is not a part of what ended.
    @Test func announcedItemsWithoutContentAreLeftOut() throws {
        #expect(
            try output([Self.added(0, Self.message)] + Self.items.suffix(3) + [Self.end("[]")])
                == sorted("[\(Self.doneCall)]"))
        #expect(try output([Self.added(0, Self.message)]) == sorted("[\(Self.message)]"))
    }

    @Test func aSecondEndTakesNothingAway() throws {
        let ends = [Self.end("[\(Self.doneMessage),\(Self.doneCall)]"), Self.end("[]"), Self.end(nil), Self.created]
        #expect(try output(Self.items + ends) == sorted("[\(Self.doneMessage),\(Self.doneCall)]"))
        #expect(try output(Self.items + ends.dropFirst()) == sorted("[\(Self.doneMessage),\(Self.doneCall)]"))
    }

    // MARK: Parts and texts

    @Test func textsComeInAnyOrder() throws {
        let events = [
            Self.added(1, Self.call), Self.added(0, Self.message), Self.delta("output_text", 0, "m0", "a", part: 0),
            Self.delta("function_call_arguments", 1, "c1", #"{\"x\""#),
            Self.delta("output_text", 0, "m0", "c", part: 1),
            Self.delta("output_text", 0, "m0", "b", part: 0), Self.delta("function_call_arguments", 1, "c1", ":1}"),
            Self.end("[]"),
        ]
        let expected =
            #"[{"id":"m0","type":"message","role":"assistant","content":[{"type":"output_text","text":"ab"},{"type":"output_text","text":"c"}]},"#
            + #"{"id":"c1","type":"function_call","call_id":"k1","name":"f","arguments":"{\"x\":1}"}]"#
        #expect(try output(events) == sorted(expected))
        #expect(try Self.capture(events).isComplete)
    }

    @Test func partsAreThoseThatWereAnnounced() throws {
        let part = #"{"type":"output_text","text":"","annotations":[],"logprobs":[]}"#
        let note = #"{"type":"url_citation","url":"u","start_index":0}"#
        let events = [
            Self.added(0, Self.message),
            Self.event("content_part.added", 0, #""content_index":0,"part":\#(part)"#, id: "m0"),
            Self.delta("output_text", 0, "m0", "see", part: 0),
            Self.event(
                "output_text.annotation.added", 0, #""content_index":0,"annotation_index":0,"annotation":\#(note)"#,
                id: "m0"),
        ]
        let expected =
            #"[{"id":"m0","type":"message","role":"assistant","content":[{"type":"output_text","text":"see","annotations":[\#(note)],"logprobs":[]}]}]"#
        #expect(try output(events) == sorted(expected))
        #expect(try output(events + [Self.end("[]")]) == sorted(expected))
        let donePart = #"{"type":"output_text","text":"see","annotations":[\#(note)]}"#
        let finished = Self.event("content_part.done", 0, #""content_index":0,"part":\#(donePart)"#, id: "m0")
        let whole = #"[{"id":"m0","type":"message","role":"assistant","content":[\#(donePart)]}]"#
        #expect(try output(events + [finished]) == sorted(whole))
        // A part of which no deltas came.
        #expect(try output([events[0], finished, Self.end("[]")]) == sorted(whole))
    }

    /// The event that ends a text has all of it: no deltas may come, or not all.
    @Test(arguments: [
        ("output_text", "text", message, #""content":[{"type":"output_text","text":"ab"}]"#),
        ("refusal", "refusal", message, #""content":[{"type":"refusal","refusal":"ab"}]"#),
        ("function_call_arguments", "arguments", call, #""arguments":"ab""#),
        ("mcp_call_arguments", "arguments", #"{"id":"p","type":"mcp_call"}"#, #""arguments":"ab""#),
        ("custom_tool_call_input", "input", #"{"id":"t","type":"custom_tool_call","input":""}"#, #""input":"ab""#),
        (
            "code_interpreter_call_code", "code", #"{"id":"t","type":"code_interpreter_call","code":null}"#,
            #""code":"ab""#
        ),
        (
            "reasoning_text", "text", #"{"id":"t","type":"reasoning","summary":[]}"#,
            #""content":[{"type":"reasoning_text","text":"ab"}]"#
        ),
        (
            "reasoning_summary_text", "text", #"{"id":"t","type":"reasoning","summary":[]}"#,
            #""summary":[{"type":"summary_text","text":"ab"}]"#
        ),
    ])
    func wholeTextsCount(kind: String, member: String, item: String, expected: String) throws {
        let whole = Self.event("\(kind).done", 0, #""\#(member)":"ab""#)
        for deltas in [[], ["ab"], ["a", "b"], ["a"], ["x"]] {
            let events = [Self.added(0, item)] + deltas.map { Self.delta(kind, 0, nil, $0) } + [whole]
            for end in [[], [Self.end("[]")]] {
                let found = try output(events + end)
                let member = try sorted("{\(expected)}").dropFirst().dropLast()
                #expect(found?.contains(member) == true)
            }
            let isSame = ["", "ab"].contains(deltas.joined())
            let capture = try Self.capture(events + [Self.end("[]")])
            #expect(capture.problems == (isSame ? [] : ["token_text_mismatch"]))
        }
        // A text that is empty says nothing.
        let empty = Self.event("\(kind).done", 0, #""\#(member)":"""#)
        let found = try output([Self.added(0, item), Self.delta(kind, 0, nil, "ab"), empty, Self.end("[]")])
        #expect(try found?.contains(sorted("{\(expected)}").dropFirst().dropLast()) == true)
    }

    @Test func deltasThatContradictTheItemOrTheEndAreNoted() throws {
        let start = [Self.added(0, Self.message), Self.delta("output_text", 0, "m0", "Hi?", part: 0)]
        let item = try Self.capture(start + [Self.done(0, Self.doneMessage), Self.end("[]")])
        #expect(item.problems == ["token_text_mismatch"] && !item.isComplete)
        let end = try Self.capture(start + [Self.end("[\(Self.doneMessage)]")])
        #expect(end.problems == ["token_text_mismatch"] && end.responseText.contains("Hi!"))
        let part = try Self.capture(
            start + [
                Self.event("content_part.done", 0, #""part":{"type":"output_text","text":"Hi!"}"#, id: "m0"),
                Self.end("[]"),
            ])
        #expect(part.problems == ["token_text_mismatch"] && part.responseText.contains("Hi!"))
        // Neither white space at the ends, nor another way to write the same, is a contradiction.
        let same = try Self.capture(
            [
                Self.added(0, Self.message), Self.delta("output_text", 0, "m0", #"\nH\u0069! "#, part: 0),
                Self.added(1, Self.call), Self.delta("function_call_arguments", 1, "c1", #"{ \"a\":\"\u00e9\" }"#),
                Self.done(0, Self.doneMessage),
                Self.done(1, Self.doneCall.replacing("{}", with: #"{\"a\": \"\\u00e9\"}"#)), Self.end("[]"),
            ])
        #expect(same.isComplete)
    }

    // MARK: Finding the item

    /// Gateways that translate give all items the index 0, or an item another id in each event.
    @Test func itemsWithTheSameIndexAreToldApartByTheirIDs() throws {
        let other = Self.call.replacing("c1", with: "c2").replacing("k1", with: "k2")
        let events = [
            Self.added(0, Self.call), Self.added(0, other), Self.delta("function_call_arguments", 0, "c2", "2"),
            Self.delta("function_call_arguments", 0, "c1", "1"), Self.delta("function_call_arguments", 0, "c2", "2"),
        ]
        let one = Self.call.replacing(#""arguments":"""#, with: #""arguments":"1""#)
        let two = other.replacing(#""arguments":"""#, with: #""arguments":"22""#)
        #expect(try output(events + [Self.end("[]")]) == sorted("[\(one),\(two)]"))
        #expect(
            try output(events + [Self.done(0, one), Self.done(0, two), Self.end("[]")]) == sorted("[\(one),\(two)]"))
    }

    @Test func anItemMayHaveAnotherIDInEachEvent() throws {
        let events = [
            Self.added(0, Self.message), Self.delta("output_text", 0, "x", "Hi", part: 0),
            Self.delta("output_text", 0, "y", "!", part: 0), Self.added(1, Self.call),
            Self.delta("function_call_arguments", 1, "z", "{}"),
            Self.done(0, Self.doneMessage.replacing("m0", with: "v")),
            Self.done(1, Self.doneCall.replacing("c1", with: "w")),
            Self.end("[]"),
        ]
        let expected = [Self.doneMessage.replacing("m0", with: "v"), Self.doneCall.replacing("c1", with: "w")]
        #expect(try output(events) == sorted("[\(expected.joined(separator: ","))]"))
        #expect(try Self.capture(events).isComplete)
    }

    @Test func manyItemsAndPartsTakeLinearTime() throws {
        let count = 5000
        let events = (0..<count).flatMap {
            [
                Self.added($0, "{}"), Self.delta("output_text", 0, nil, "a", part: $0),
                Self.added(0, #"{"id":"\#($0)"}"#),
            ]
        }
        let capture = try Self.capture(events + [Self.end("[]")])
        #expect(capture.responseText.count > count)
    }

    // MARK: Completeness

    /// `[DONE]` is no end of this API, and neither is the end of the connection.
    @Test(arguments: [true, false])
    func aStreamWithoutItsTerminalEventIsIncomplete(done: Bool) throws {
        let capture = try Self.capture(Self.items, done: done)
        #expect(capture.problems == ["stream_not_terminated"] && !capture.isComplete)
        #expect(capture.responseText.contains("Hi!"))
        #expect(try Self.capture(Self.items + [Self.end("[]")], done: true).isComplete)
    }

    @Test func aResponseThatWasCancelledIsCutOff() throws {
        let end = Self.end("[\(Self.doneMessage)]").replacing(#""status":"completed""#, with: #""status":"cancelled""#)
        let capture = try Self.capture(Array(Self.items.prefix(3)) + [end])
        #expect(capture.problems.contains("reply_cut_off") && !capture.isComplete)
    }

    @Test func anEndWithoutAResponse() throws {
        let capture = try Self.capture(Self.items + [#"{"type":"response.completed"}"#])
        #expect(capture.problems == ["finish_reason_missing"] && capture.responseText.contains("Hi!"))
        let absent = try Self.capture(
            Self.items + [#"{"type":"response.completed","response":{"id":"r","output":[]}}"#])
        #expect(absent.problems == ["finish_reason_missing"] && absent.responseText.contains("Hi!"))
        // Without any status the type of the event states it.
        let bare = responseStream(Self.items + [#"{"type":"response.incomplete","response":{"id":"r"}}"#])
        let stated = StreamDriver.run(try untouchedResponse(), bare).reply.captured()
        #expect(stated.isComplete && stated.choices.first?.finishReason.text == #""incomplete""#)
    }

    /// A response without any content is complete only if the engine says that it generated nothing.
    @Test(arguments: [
        ("[]", [String]()), (nil, []), (#"[{"type":"message","content":[]}]"#, []), ("[]", [added(0, message)]),
    ])
    func aResponseWithoutContentIsIncomplete(output: String?, events: [String]) throws {
        #expect(try Self.capture(events + [Self.end(output)]).problems == ["choices_missing"])
        #expect(try Self.capture(events + [Self.end(output, usage: "null")]).problems == ["choices_missing"])
        #expect(try Self.capture(events + [Self.end(output, usage: #"{"output_tokens":0}"#)]).isComplete)
        let wanting = StreamDriver.run(try injectedResponse(), responseStream([Self.created, Self.end(output)]))
        #expect(wanting.reply.captured().problems == ["no_token_data"])
        let body = #"{"object":"response","status":"completed","output":\#(output ?? "null")}"#
        #expect(readWhole(try untouchedResponse(), Array(body.utf8)).reply.captured().problems == ["choices_missing"])
    }

    @Test(arguments: [
        #"[{"type":"message","content":[{"type":"output_text","text":""}]}]"#, #"[{"type":"web_search_call"}]"#,
        #"[{"type":"reasoning","summary":[{"type":"summary_text","text":"a"}]}]"#,
    ])
    func aResponseWithAnyPartIsComplete(output: String) throws {
        #expect(try Self.capture([Self.end(output)]).isComplete)
        let body = #"{"object":"response","status":"completed","output":\#(output)}"#
        #expect(readWhole(try untouchedResponse(), Array(body.utf8)).reply.captured().isComplete)
    }

    @Test func aWholeResponseThatHasNotEndedIsIncomplete() throws {
        let body = #"{"object":"response","status":"in_progress","output":[{"type":"web_search_call"}]}"#
        let capture = readWhole(try untouchedResponse(), Array(body.utf8)).reply.captured()
        #expect(capture.problems == ["finish_reason_missing"])
    }

    /// A gap in the numbers of the events counts where nothing shows that all came.
    @Test func lostEventsAreNoted() throws {
        func numbered(_ events: [String], without lost: Int? = nil) -> [String] {
            events.enumerated().filter { $0.offset != lost }.map {
                $0.element.dropLast() + #","sequence_number":\#($0.offset + 1)}"#
            }
        }
        let unfinished = Self.items.filter { !$0.contains("output_item.done") } + [Self.end("[]")]
        #expect(try Self.capture(numbered(unfinished)).isComplete)
        #expect(try Self.capture(numbered(unfinished, without: 1)).problems == ["event_missing"])
        let finished = Self.items + [Self.end("[]")]
        #expect(try Self.capture(numbered(finished, without: 1)).isComplete)
        // Log-probabilities without a count of the tokens.
        let deltas = (2..<5).map { ResponseStreamTests.delta("a\($0)", number: $0, value: "-1.\($0)") }
        let text = deltas.indices.map { "a\($0 + 2)" }.joined()
        let end = Self.end(#"[{"type":"message","content":[{"type":"output_text","text":"\#(text)"}]}]"#, usage: "null")
        let streamed = [deltas[0], deltas[2], end.dropLast() + #","sequence_number":5}"#]
        let capture = StreamDriver.run(try injectedResponse(), responseStream([Self.created] + streamed)).reply
            .captured()
        #expect(capture.problems.contains("event_missing"))
        let all = StreamDriver.run(
            try injectedResponse(), responseStream([Self.created] + deltas + [end])
        ).reply.captured()
        #expect(all.isComplete)
    }
}
