import TestSupport
import VerbatimJSON
import Testing
import VerbatimAPI
import VerbatimTesting
import VerbatimSchema

/// Tokens, ids and log-probabilities are the engine's own, aligned, and marked where they are not.
@Suite struct TokenCaptureTests {
    private func capture(_ choices: [String], goal: CaptureGoal = .tokens, _ rest: String = "") throws -> Capture {
        let events = choices.map { #"{"choices":[\#($0)]\#(rest)}"# }
        return StreamDriver.run(try injectedReply { $0.goal = goal }, events: events).reply.captured()
    }

    private static func choice(_ members: String) -> String {
        #"{"index":0,"delta":{"content":""},\#(members),"finish_reason":"stop"}"#
    }
    private static func logprobs(_ entries: String) -> String { #""logprobs":{"content":[\#(entries)]}"# }
    private static let a = #"{"token":"a","logprob":-1.50}"#
    private static let b = #"{"token":"b","logprob":-2e-3}"#

    struct Expectation: Sendable {
        var tokens = ""
        var ids = ""
        var values = ""
        var level: CaptureLevel
        var problems: [ProblemCode] = []
    }

    static let cases: [([String], Expectation)] = [
        (
            [choice("\(logprobs(a)),\"token_ids\":[1]"), choice("\"token_ids\":[2],\(logprobs(b))")],
            Expectation(tokens: #""a","b""#, ids: "1,2", values: "-1.50,-2e-3", level: .tokens)
        ),
        // Several tokens in one event.
        (
            [choice("\(logprobs(a + "," + b)),\"token_ids\":[1,2]")],
            Expectation(tokens: #""a","b""#, ids: "1,2", values: "-1.50,-2e-3", level: .tokens)
        ),
        ([choice(logprobs(a))], Expectation(tokens: #""a""#, values: "-1.50", level: .logprobs)),
        ([choice(#""token_ids":[1,2]"#)], Expectation(ids: "1,2", level: .ids)),
        ([choice(#""logprobs":null"#)], Expectation(level: .text, problems: ["no_token_data"])),
        (
            [choice(#""logprobs":{"content":null},"token_ids":null"#)],
            Expectation(level: .text, problems: ["no_token_data"])
        ),
        // Shorter lists are filled up with null, so that later tokens stay aligned.
        (
            [choice("\(logprobs(a)),\"token_ids\":[1,2]"), choice("\(logprobs(b)),\"token_ids\":[3]")],
            Expectation(
                tokens: "\"a\",\"\u{FFFD}\",\"b\"", ids: "1,2,3", values: "-1.50,null,-2e-3", level: .tokens,
                problems: ["ids_logprobs_mismatch"])
        ),
        (
            [choice("\(logprobs(a + "," + b)),\"token_ids\":[1]"), choice("\(logprobs(b)),\"token_ids\":[3]")],
            Expectation(
                tokens: #""a","b","b""#, ids: "1,null,3", values: "-1.50,-2e-3,-2e-3", level: .tokens,
                problems: ["ids_logprobs_mismatch"])
        ),
        (
            [choice(#""token_ids":[1]"#), choice("\(logprobs(b)),\"token_ids\":[3]")],
            Expectation(
                tokens: "\"\u{FFFD}\",\"b\"", ids: "1,3", values: "null,-2e-3", level: .tokens,
                problems: ["ids_logprobs_mismatch"])
        ),
        (
            [choice(logprobs(a)), choice("\(logprobs(b)),\"token_ids\":[3]")],
            Expectation(
                tokens: #""a","b""#, ids: "null,3", values: "-1.50,-2e-3", level: .tokens,
                problems: ["ids_logprobs_mismatch"])
        ),
        // Ids within the entries.
        (
            [choice(logprobs(#"{"id":7,"token":"a","logprob":-1},{"logprob":-2,"token":"b","id":8}"#))],
            Expectation(tokens: #""a","b""#, ids: "7,8", values: "-1,-2", level: .tokens)
        ),
        (
            [choice(logprobs(#"{"token":"token_id:12","logprob":-1},{"token":"token_id:0","logprob":0}"#))],
            Expectation(tokens: #""token_id:12","token_id:0""#, ids: "12,0", values: "-1,0", level: .tokens)
        ),
        (
            [choice(logprobs(#"{"id":7,"token":"a","logprob":-1},{"token":"b","logprob":-2}"#))],
            Expectation(
                tokens: #""a","b""#, ids: "7,null", values: "-1,-2", level: .tokens, problems: ["token_ids_incomplete"])
        ),
        (
            [choice(logprobs(#"{"token":"token_id:x","logprob":-1},{"token":"token_id:","logprob":-2}"#))],
            Expectation(tokens: #""token_id:x","token_id:""#, values: "-1,-2", level: .logprobs)
        ),
        // Missing values.
        (
            [choice(logprobs(#"{"token":"a","logprob":null},{"token":"b"},{"logprob":-1},{}"#))],
            Expectation(
                tokens: "\"a\",\"b\",\"\u{FFFD}\",\"\u{FFFD}\"", values: "null,null,-1,null", level: .logprobs,
                problems: ["token_text_missing", "logprob_missing"])
        ),
        (
            [
                choice(
                    logprobs(
                        #"{"token":"a","logprob":NaN},{"token":"b","logprob":-Infinity},{"token":"c","logprob":Infinity}"#
                    ))
            ],
            Expectation(
                tokens: #""a","b","c""#, values: "null,null,null", level: .logprobs,
                problems: ["logprob_missing", "non_finite_number"])
        ),
        (
            [choice("\(logprobs(a)),\"token_ids\":[null]"), choice("\(logprobs(b)),\"token_ids\":[\"2\"]")],
            Expectation(
                tokens: #""a","b""#, ids: "null,null", values: "-1.50,-2e-3", level: .tokens,
                problems: ["token_ids_incomplete", "token_id_invalid"])
        ),
        // Number texts are kept as sent.
        (
            [
                choice(
                    logprobs(
                        #"{"token":"a","logprob":-8.283243179321289},{"token":"b","logprob": -0.0 },{"token":"c","logprob":-1E+2}"#
                    ))
            ],
            Expectation(tokens: #""a","b","c""#, values: "-8.283243179321289,-0.0,-1E+2", level: .logprobs)
        ),
        // Other list elements than entries.
        (
            [choice("\(logprobs("null,\(a),7,\(b)")),\"token_ids\":[1,2,3,4]")],
            Expectation(
                tokens: "\"\u{FFFD}\",\"a\",\"\u{FFFD}\",\"b\"", ids: "1,2,3,4", values: "null,-1.50,null,-2e-3",
                level: .tokens, problems: ["token_text_missing", "logprob_missing"])
        ),
        (
            [choice(#""logprobs":{"content":{}}"#), choice(#""logprobs":[1],"token_ids":{}"#)],
            Expectation(level: .text, problems: ["no_token_data"])
        ),
    ]

    @Test(arguments: cases)
    func tokenListsAreAligned(choices: [String], expected: Expectation) throws {
        let capture = try capture(choices)
        let choice = try #require(capture.choices.first)
        #expect(choice.tokensText == expected.tokens)
        #expect(choice.idsText == expected.ids)
        #expect(choice.valuesText == expected.values)
        #expect(choice.isAligned)
        #expect(capture.level == expected.level)
        #expect(capture.problems == expected.problems)
        #expect(capture.isComplete == expected.problems.isEmpty)
        _ = try decoded(capture.response.bytes)
        _ = try decoded(choice.logprobs?.array ?? Array("null".utf8))
    }

    // MARK: Checks

    @Test(arguments: [
        (CaptureGoal.tokens, #""token_ids":[1,2]"#, #","usage":{"completion_tokens":2}"#, [ProblemCode]()),
        (.tokens, #""token_ids":[1,2]"#, #","usage":{"completion_tokens":3}"#, ["token_count_mismatch"]),
        (.tokens, #""token_ids":[1,2]"#, #","usage":{"completion_tokens":null}"#, []),
        (.tokens, #""token_ids":[1,2]"#, #","usage":null"#, []),
        (.tokens, #""token_ids":[1,2]"#, #","timings":{"predicted_n":3}"#, ["token_count_mismatch"]),
        (.tokens, #""x":1"#, #","usage":{"completion_tokens":0}"#, []),
        (.text, #""x":1"#, #","usage":{"completion_tokens":4}"#, []),
        (.logprobs, #""x":1"#, "", ["no_token_data"]), (.text, #""x":1"#, "", []),
    ])
    func tokenCountsAreChecked(goal: CaptureGoal, members: String, rest: String, problems: [ProblemCode]) throws {
        let capture = try capture([Self.choice(members)], goal: goal, rest)
        #expect(capture.problems == problems)
        #expect(capture.isComplete == problems.isEmpty)
    }

    @Test func usageCountsAllChoices() throws {
        let capture = try capture(
            [
                #"{"index":0,"delta":{},"token_ids":[1,2],"finish_reason":"stop"},{"index":1,"delta":{},"token_ids":[3],"finish_reason":"stop"}"#
            ],
            #","usage":{"completion_tokens":3}"#)
        #expect(capture.isComplete && capture.level == .ids)
        let missing = try self.capture([#"{"index":0,"delta":{},"token_ids":[1]},{"index":1,"delta":{"content":"a"}}"#])
        #expect(missing.level == .text)
    }

    private func capture(_ choices: [String], _ rest: String) throws -> Capture {
        try capture(choices, goal: .tokens, rest)
    }

    // MARK: Whole replies

    @Test func bodiesAreCaptured() throws {
        let body =
            #"{ "choices" : [ {"index":0,"finish_reason":"stop","message":{"content":"a"},\#(Self.logprobs(Self.a)) ,"token_ids": [ 1 ] } ],"prompt_token_ids": [ 5, 6 ],"usage":{"completion_tokens":1}}"#
            + "\n"
        let read = readWhole(try injectedReply { $0.detail = .full }, Array(body.utf8))
        let capture = read.reply.captured()
        #expect(capture.responseText == body)
        #expect(capture.level == .tokens && capture.isComplete)
        #expect(capture.promptTokenIDs.text == "[5,6]")
        #expect(
            String(decoding: read.output, as: UTF8.self)
                == #"{ "choices" : [ {"index":0,"finish_reason":"stop","message":{"content":"a"},"logprobs":null ,"token_ids": null } ],"prompt_token_ids": null,"usage":{"completion_tokens":1}}"#
                + "\n")
    }

    @Test func bodyOfLlamaCppLosesOnlyTheKey() throws {
        for (members, expected) in [
            (#""logprobs":@,"message":{}"#, #""message":{}"#), (#""message":{} , "logprobs" : @ "#, #""message":{} "#),
            (#""a":1,"logprobs":@,"b":2"#, #""a":1,"b":2"#), (#" "logprobs":@ "#, "  "),
            (#""log\u0070robs":@,"logprobs":@"#, ""),
        ] {
            let entries = #"{"content":[{"id":1,"token":"a","logprob":-1}]}"#
            let body = #"{"choices":[{\#(members.replacing("@", with: entries))}],"timings":{}}"#
            for profile in [EngineProfile.llamaCpp, .generic] {
                let read = readWhole(try injectedReply(profile), Array(body.utf8))
                #expect(String(decoding: read.output, as: UTF8.self) == #"{"choices":[{\#(expected)}],"timings":{}}"#)
            }
        }
    }

    @Test("A body of several objects is left to a reader of events") func bodyOfSeveralObjects() throws {
        for body in ["{} {}", "[{}]", "x{}", "{}x"] {
            var reply = try injectedReply()
            #expect(reply.read(body: Array(body.utf8).span) == .objects)
            #expect(!reply.captured().problems.contains("reply_not_json"))
        }
    }

    @Test(arguments: [
        "", "{", "<html></html>", #"{"choices":[{"index":0,"token_ids":[1],"logprobs":{"content":[{"token":"a""#,
    ])
    func bodyThatIsNotJSONPasses(body: String) throws {
        let read = readWhole(try injectedReply(), Array(body.utf8))
        #expect(read.output == Array(body.utf8))
        let capture = read.reply.captured()
        #expect(capture.problems == ["reply_not_json"])
        #expect(capture.choices.isEmpty && capture.level == .none && !capture.isComplete)
        _ = try decoded(capture.response.bytes)
    }

    @Test(arguments: ["[1]", "null", "7", #""x""#])
    func bodyThatIsNoObjectPasses(body: String) throws {
        let read = readWhole(try injectedReply(), Array(body.utf8))
        #expect(read.output == Array(body.utf8))
        #expect(read.reply.captured().problems == ["reply_not_json"])
    }
}
