import TestSupport
import VerbatimSchema
import Foundation
import VerbatimJSON
import Testing
import VerbatimAPI
import VerbatimTesting

/// The assembly of one message from the deltas of a stream.
@Suite struct AssemblyTests {
    /// The message that is assembled from these deltas.
    private func message(_ deltas: [String]) throws -> String {
        let events = deltas.map { #"{"choices":[{"index":0,"delta":\#($0)}]}"# }
        let driver = StreamDriver.run(try untouchedReply(), events: events)
        let capture = driver.reply.captured()
        _ = try decoded(capture.response.bytes)
        let start = try #require(capture.responseText.firstRange(of: #""message":"#)).upperBound
        let end = try #require(capture.responseText.firstRange(of: #","logprobs":"#)).lowerBound
        return String(capture.responseText[start..<end])
    }

    static let texts: [([String], String)] = [
        (["{}"], #"{"role":"assistant"}"#),
        (
            [#"{"role":"assistant","content":""}"#, #"{"content":"a"}"#, #"{"content":"b"}"#],
            #"{"role":"assistant","content":"ab"}"#
        ),
        ([#"{"content":"a"}"#], #"{"role":"assistant","content":"a"}"#),
        ([#"{"role":"assistant","content":null}"#, #"{"content":"a"}"#], #"{"role":"assistant","content":"a"}"#),
        ([#"{"role":"assistant","content":null}"#], #"{"role":"assistant","content":null}"#),
        ([#"{"role":"tool"}"#, #"{"role":null}"#, #"{"role":"assistant"}"#], #"{"role":"assistant"}"#),
        // Escapes are kept, even a surrogate pair that came in two parts.
        ([#"{"content":"\n\u00e9"}"#, #"{"content":"é\/"}"#], #"{"role":"assistant","content":"\n\u00e9é\/"}"#),
        ([#"{"content":"\ud83d"}"#, #"{"content":"\ude42"}"#], #"{"role":"assistant","content":"\ud83d\ude42"}"#),
        (["{\"content\":\"a\u{2028}\u{85}b\"}"], #"{"role":"assistant","content":"a\u2028\u0085b"}"#),
        // Reasoning under both names, refusals.
        (
            [#"{"role":"assistant","reasoning":"x"}"#, #"{"reasoning":"y"}"#, #"{"content":"z"}"#],
            #"{"role":"assistant","reasoning":"xy","content":"z"}"#
        ),
        (
            [#"{"reasoning_content":"x"}"#, #"{"reasoning_content":"y","content":null}"#],
            #"{"role":"assistant","reasoning_content":"xy","content":null}"#
        ),
        ([#"{"refusal":"N"}"#, #"{"refusal":"o"}"#], #"{"role":"assistant","refusal":"No"}"#),
        // Unknown fields.
        (
            [#"{"x":"a","y":[1]}"#, #"{"x":"b","y":[2,{"z":[]}]}"#],
            #"{"role":"assistant","x":"ab","y":[1,2,{"z":[]}]}"#
        ),
        ([#"{"x":1}"#, #"{"x":2.50}"#, #"{"x":null}"#], #"{"role":"assistant","x":2.50}"#),
        ([#"{"x":{"a":1}}"#, #"{"x":{"b": 2}}"#], #"{"role":"assistant","x":{"a":1,"b":2}}"#),
        (
            [
                #"{"audio":{"id":"au","transcript":"Hi","data":"AAAA"}}"#, #"{"audio":{"id":"au","transcript":"!"}}"#,
                #"{"audio":{"data":"BBBB"}}"#, #"{"audio":{"expires_at":5}}"#,
            ],
            #"{"role":"assistant","audio":{"id":"au","transcript":"Hi!","data":"AAAABBBB","expires_at":5}}"#
        ),
        // Entries with an index are continued, too.
        (
            [
                #"{"details":[{"type":"text","text":"a","index":0}]}"#,
                #"{"details":[{"type":"text","text":"b","index":0},{"type":"code","text":"c","index":1}]}"#,
                #"{"details":[{"text":"d","index":1,"x":null}]}"#,
            ],
            #"{"role":"assistant","details":[{"type":"text","text":"ab","index":0},{"type":"code","text":"cd","index":1,"x":null}]}"#
        ),
        (
            [#"{"details":[{"text":"a","index":0}]}"#, #"{"details":[{"text":"b"},7]}"#],
            #"{"role":"assistant","details":[{"text":"a","index":0},{"text":"b"},7]}"#
        ),
        (
            [#"{"x":{"a":{"b":{"c":"1","d":[1]}}}}"#, #"{"x":{"a":{"b":{"c":"2","d":[2],"e":true}}}}"#],
            #"{"role":"assistant","x":{"a":{"b":{"c":"12","d":[1,2],"e":true}}}}"#
        ),
        ([#"{"x":[]}"#], #"{"role":"assistant","x":[]}"#),
        ([#"{"content":"a"}"#, #"{"content":{"b":1}}"#], #"{"role":"assistant","content":{"b":1}}"#),
        ([#"{"tool_calls":null}"#], #"{"role":"assistant","tool_calls":null}"#),
        ([#"{"x":NaN,"y":[Infinity,-Infinity]}"#], #"{"role":"assistant","x":null,"y":[null,null]}"#),
        (["null", "[]", "7"], #"{"role":"assistant"}"#),
    ]

    @Test(arguments: texts)
    func textDeltasAreConcatenated(deltas: [String], expected: String) throws {
        #expect(try message(deltas) == expected)
    }

    private static func call(_ members: String) -> String { #"{"tool_calls":[\#(members)]}"# }

    static let calls: [([String], String)] = [
        (
            [
                call(#"{"index":0,"id":"c1","type":"function","function":{"name":"f","arguments":""}}"#),
                call(#"{"index":0,"function":{"arguments":"{\"a\""}}"#),
                call(#"{"index":0,"function":{"arguments":":1}"}}"#),
            ],
            #"{"id":"c1","type":"function","function":{"name":"f","arguments":"{\"a\":1}"}}"#
        ),
        // Interleaved, in any order.
        (
            [
                call(#"{"index":1,"id":"c2","function":{"name":"g","arguments":"1"}}"#),
                call(#"{"index":0,"id":"c1","function":{"name":"f","arguments":"2"}}"#),
                call(#"{"index":1,"function":{"arguments":"3"}},{"index":0,"function":{"arguments":"4"}}"#),
            ],
            #"{"id":"c1","function":{"name":"f","arguments":"24"}},{"id":"c2","function":{"name":"g","arguments":"13"}}"#
        ),
        (
            [
                call(#"{"id":"c1","function":{"name":"f"},"index":3}"#),
                call(#"{"function":{"arguments":"{}"},"index":3}"#),
            ],
            #"{"id":"c1","function":{"name":"f","arguments":"{}"}}"#
        ),
        // Later fragments repeat the values of the first one or have empty ones.
        (
            [
                call(#"{"index":0,"id":"c1","type":"function","function":{"name":"f","arguments":"a"}}"#),
                call(#"{"index":0,"id":"c1","type":null,"function":{"name":null,"arguments":"b"}}"#),
                call(#"{"index":0,"id":"","function":{"name":"","arguments":null}}"#),
            ],
            #"{"id":"c1","type":"function","function":{"name":"f","arguments":"ab"}}"#
        ),
        // No index: a fragment with a name starts a new call, any other continues the last one.
        (
            [
                call(
                    #"{"id":"c1","function":{"name":"f","arguments":"1"}},{"id":"c2","function":{"name":"g","arguments":"2"}}"#
                ),
                call(#"{"id":"c3","function":{"name":"h","arguments":"3"}}"#), call(#"{"function":{"arguments":"4"}}"#),
                call(#"{"id":"c2","function":{"arguments":"5"}}"#),
            ],
            #"{"id":"c1","function":{"name":"f","arguments":"1"}},{"id":"c2","function":{"name":"g","arguments":"25"}},{"id":"c3","function":{"name":"h","arguments":"34"}}"#
        ),
        (
            [call(#"{"function":{"name":"f","arguments":"1"}}"#), call(#"{"function":{"name":"g","arguments":"2"}}"#)],
            #"{"function":{"name":"f","arguments":"1"}},{"function":{"name":"g","arguments":"2"}}"#
        ),
        // Arguments that are no string become their JSON text.
        (
            [call(#"{"index":0,"id":"c1","function":{"name":"f","arguments":{"a": "b"}}}"#)],
            #"{"id":"c1","function":{"name":"f","arguments":"{\"a\": \"b\"}"}}"#
        ),
        // Other members.
        (
            [call(#"{"index":0,"id":"c1","x":{"y":1},"function":{"name":"f","arguments":"","z":2}}"#)],
            #"{"id":"c1","x":{"y":1},"function":{"name":"f","arguments":"","z":2}}"#
        ),
        (
            [call(#"{"index":0,"id":"c1","type":"custom","custom":{"name":"f"}}"#)],
            #"{"id":"c1","type":"custom","custom":{"name":"f"}}"#
        ),
        ([call(#"{"index":0,"id":"c1","function":null}"#)], #"{"id":"c1","function":null}"#),
        ([#"{"tool_calls":[]}"#], ""),
        // The name in each fragment, and in pieces.
        (
            [
                call(#"{"index":0,"id":"c1","function":{"name":"f","arguments":"1"}}"#),
                call(#"{"index":0,"id":"c1","function":{"name":"f","arguments":"2"}}"#),
                call(#"{"index":0,"function":{"name":"f","arguments":"3"}}"#),
            ],
            #"{"id":"c1","function":{"name":"f","arguments":"123"}}"#
        ),
        (
            [
                call(#"{"index":0,"id":"c1","function":{"name":"get_"}}"#),
                call(#"{"index":0,"function":{"name":"time","arguments":"{}"}}"#),
            ],
            #"{"id":"c1","function":{"name":"get_time","arguments":"{}"}}"#
        ),
        // Parallel calls that all have the index 0.
        (
            [
                call(#"{"index":0,"id":"c1","function":{"name":"f","arguments":"1"}}"#),
                call(#"{"index":0,"function":{"arguments":"2"}}"#),
                call(#"{"index":0,"id":"c2","function":{"name":"f","arguments":"3"}}"#),
                call(#"{"index":0,"function":{"arguments":"4"}}"#),
                call(#"{"index":0,"id":"c1","function":{"arguments":"5"}}"#),
            ],
            #"{"id":"c1","function":{"name":"f","arguments":"125"}},{"id":"c2","function":{"name":"f","arguments":"34"}}"#
        ),
        // A new id in each fragment of one call.
        (
            [
                call(#"{"index":0,"id":"c1","function":{"name":"f","arguments":"1"}}"#),
                call(#"{"index":0,"id":"c2","function":{"arguments":"2"}}"#),
            ],
            #"{"id":"c2","function":{"name":"f","arguments":"12"}}"#
        ),
        (
            [call(#"{"index":null,"id":"c1","function":{"name":"f","arguments":"1"}}"#)],
            #"{"id":"c1","function":{"name":"f","arguments":"1"}}"#
        ),
        // Custom tools, and fields of engines.
        (
            [
                call(#"{"index":0,"id":"c1","type":"custom","custom":{"name":"f","input":"ab"}}"#),
                call(#"{"index":0,"type":"custom","custom":{"name":"f","input":"cd"}}"#),
                call(#"{"index":0,"custom":{"input":"ef"},"x":{"y":{"z":"1"}}}"#),
                call(#"{"index":0,"x":{"y":{"z":"2"}},"type":"custom"}"#),
            ],
            #"{"id":"c1","type":"custom","custom":{"name":"f","input":"abcdef"},"x":{"y":{"z":"12"}}}"#
        ),
        (
            [
                call(#"{"index":0,"id":"c1","custom":{"name":"f","input":"a"}}"#),
                call(#"{"index":0,"id":"c2","custom":{"name":"f","input":"b"}}"#),
            ],
            #"{"id":"c1","custom":{"name":"f","input":"a"}},{"id":"c2","custom":{"name":"f","input":"b"}}"#
        ),
    ]

    @Test(arguments: calls)
    func toolCallFragmentsAreMerged(deltas: [String], expected: String) throws {
        #expect(try message(deltas) == #"{"role":"assistant","tool_calls":[\#(expected)]}"#)
    }

    @Test func functionCallFragmentsAreMerged() throws {
        let deltas = [
            #"{"role":"assistant","content":null,"function_call":{"name":"f","arguments":""}}"#,
            #"{"function_call":{"arguments":"{\"a\":"}}"#, #"{"function_call":{"arguments":"1}"}}"#,
        ]
        #expect(
            try message(deltas)
                == #"{"role":"assistant","content":null,"function_call":{"name":"f","arguments":"{\"a\":1}"}}"#)
        #expect(try message([#"{"function_call":null}"#]) == #"{"role":"assistant","function_call":null}"#)
    }

    // MARK: Around the message

    @Test func envelopeFieldsAreTakenFromAnyEvent() throws {
        let driver = StreamDriver.run(
            try untouchedReply(),
            events: [
                #"{"choices":[{"index":0,"delta":{"content":"a"},"finish_reason":null}]}"#,
                #"{"id":"r1","created":7,"choices":[{"index":0,"delta":{},"finish_reason":"stop","stop_reason":12}]}"#,
                #"{"model":"m","choices":[],"usage":{"completion_tokens":1}}"#,
                #"{"system_fingerprint":"fp","usage":null}"#,
            ])
        let capture = driver.reply.captured()
        let expected =
            #"{"id":"r1","object":"chat.completion","created":7,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"a"},"#
            + #""logprobs":null,"finish_reason":"stop","stop_reason":12}],"usage":{"completion_tokens":1},"system_fingerprint":"fp"}"#
        #expect(capture.responseText == expected)
        #expect(capture.model.text == #""m""#)
        #expect(capture.responseID.text == #""r1""#)
        #expect(capture.usage.text == #"{"completion_tokens":1}"#)
        #expect(capture.choices.first?.finishReason.text == #""stop""#)
    }

    @Test func choicesThatAreNoArrayAreIgnored() throws {
        let driver = StreamDriver.run(
            try untouchedReply(),
            events: [
                #"{"choices":null}"#, #"{"choices":[{"index":0,"delta":{"content":"a"}}]}"#,
                #"{"choices":{},"id":"x"}"#,
            ])
        let response = try #require(decoded(driver.reply.captured().response.bytes) as? [String: Any])
        #expect((response["choices"] as? [Any])?.count == 1)
        #expect(driver.reply.captured().responseText.components(separatedBy: #""choices""#).count == 2)
    }

    @Test func choicesAreSortedByIndex() throws {
        let driver = StreamDriver.run(
            try injectedReply(),
            events: [
                #"{"choices":[{"delta":{"content":"b"},"token_ids":[2],"index":1}]}"#,
                #"{"choices":[{"delta":{"content":"a"},"token_ids":[1],"index":0},{"delta":{"content":"B"},"token_ids":[3,4],"index":1}]}"#,
            ])
        let capture = driver.reply.captured()
        #expect(capture.choices.map(\.index) == [0, 1])
        #expect(capture.choices.map(\.idsText) == ["1", "2,3,4"])
        #expect(
            try #require(capture.responseText.firstRange(of: #""content":"a""#)).lowerBound
                < #require(capture.responseText.firstRange(of: #""content":"bB""#)).lowerBound)
    }

    @Test(arguments: [
        (#"{"role":"assistant","content":""}"#, false), (#"{"role":"assistant","content":null}"#, false), ("{}", false),
        (#"{"tool_calls":[]}"#, false), (#"{"content":"a"}"#, true), (#"{"reasoning":"a"}"#, true),
        (#"{"reasoning_content":"a"}"#, true), (#"{"refusal":"a"}"#, true), (#"{"tool_calls":[{"index":0}]}"#, true),
        (#"{"function_call":{}}"#, true), (#"{"role":"assistant","content":"a"}"#, true),
    ])
    func outputIsNoticed(delta: String, expected: Bool) throws {
        let driver = StreamDriver.run(try untouchedReply(), events: [#"{"choices":[{"index":0,"delta":\#(delta)}]}"#])
        #expect(driver.reply.hasOutput == expected)
    }
}
