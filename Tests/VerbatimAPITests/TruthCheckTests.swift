import VerbatimSchema
import VerbatimJSON
import TestSupport
import Testing
import VerbatimAPI
import VerbatimTesting

/// The checks that make a capture incomplete, and cases that they must not mark.
@Suite struct TruthCheckTests {
    private func capture(
        _ events: [String], _ profile: EngineProfile = .openAI, _ fields: String = ""
    ) throws -> Capture {
        let reply = try prepare(#"{"stream":true\#(fields)}"#, profile: profile).reply
        return StreamDriver.run(reply, events: events).reply.captured()
    }

    private static func entry(_ token: String, _ value: String) -> String {
        #"{"token":"\#(token)","logprob":\#(value)}"#
    }

    private static func event(_ entries: String..., delta: String = #"{"content":""}"#, rest: String = "") -> String {
        #"{"choices":[{"index":0,"delta":\#(delta),"logprobs":{"content":[\#(entries.joined(separator: ","))]},"finish_reason":"stop"}]\#(rest)}"#
    }

    private static func usage(_ count: Int) -> String { #"{"choices":[],"usage":{"completion_tokens":\#(count)}}"# }

    // MARK: Duplicates

    static let one = event(entry("a", "-1.2345678"))

    @Test func repeatedEventIsMarked() throws {
        let two = Self.event(Self.entry("b", "-0.5"), Self.entry("c", "-2.3456789"))
        #expect(try capture([Self.one, Self.one]).problems == ["duplicate_event"])
        #expect(try capture([two, two]).problems == ["duplicate_event"])
        #expect(
            try capture([Self.one, Self.one, Self.usage(1)]).problems == ["duplicate_event", "token_count_mismatch"])
        #expect(try capture([Self.one, Self.one]).choices.first?.tokens.count == 2)
        // With empty lists in addition.
        let both =
            #"{"choices":[{"index":0,"delta":{"content":""},"logprobs":{"content":[\#(Self.entry("a", "-1.2345678"))],"refusal":[]},"finish_reason":"stop"}]}"#
        #expect(try capture([both, both]).problems == ["duplicate_event"])
    }

    @Test func repeatedCompletionEventIsMarked() throws {
        let event =
            #"{"choices":[{"index":0,"text":"a","logprobs":{"tokens":["a"],"token_logprobs":[-1.2345678]},"finish_reason":"stop"}]}"#
        let reply = try prepare(#"{"stream":true}"#, api: .completions).reply
        #expect(StreamDriver.run(reply, events: [event, event]).reply.captured().problems == ["duplicate_event"])
    }

    /// A model that repeats itself is nearly certain of each token, so the same few numbers near 0 recur.
    @Test(arguments: [
        "0.0", "-0.0", "-1e-05", "-1.1920928955078125e-07", "-2.3841855926965922e-07", "-5.5122365e-07", "-0.0001",
        "-0.000011920858",
    ])
    func nearCertainTokensAreNoRepetitions(value: String) throws {
        let event = Self.event(Self.entry("a", value))
        #expect(try capture([Self.one, event, event, event]).problems == [])
    }

    @Test func countedRepetitionsAreNotMarked() throws {
        #expect(try capture([Self.one, Self.one, Self.usage(2)]).problems == [])
        let other = Self.event(Self.entry("b", "-1.2345678"))
        #expect(try capture([Self.one, other, Self.one]).problems == [])
        // Another choice may have the same tokens.
        let second = Self.one.replacing(#""index":0"#, with: #""index":1"#)
        #expect(try capture([Self.one, second]).problems == [])
    }

    // MARK: Unknown values

    @Test(arguments: [
        ("-9999.0", true), ("-9999", true), ("-9998.99", false), ("-1e5", true), ("-9e9", true),
        ("-3.4028234663852886e+38", true), ("-3.4028235e38", true), ("-100.0", false),
        ("-1e-5", false), ("-0.00009999", false), ("-10000", true), ("-99999", true), ("-1E+4", true),
    ])
    func fillersAreMarked(value: String, isFiller: Bool) throws {
        let capture = try capture([Self.event(Self.entry("a", value), Self.entry("b", "-1"))])
        #expect(capture.problems == (isFiller ? ["logprob_filler"] : []))
        #expect(capture.choices.first?.valuesText == (isFiller ? "null,-1" : "\(value),-1"))
        #expect(capture.isComplete != isFiller)
    }

    @Test(arguments: [
        (["0.0", "0.0", "0.0", "0.0"], true), (["0", "-0.0", "0e-5", "0.00"], true), (["0.0", "0.0", "0.0"], false),
        (["0.0", "0.0", "0.0", "0.0", "-1e-05"], false), (["-0.1", "0.0", "0.0", "0.0", "0.0"], false),
        (["0.0"], false), ([], false),
    ])
    func allZeroLogprobsAreMarked(values: [String], areSuspicious: Bool) throws {
        let events = values.map { Self.event(Self.entry("a", $0)) }
        let capture = try capture(events.isEmpty ? [Self.usage(0)] : events)
        let isEmpty = events.isEmpty
        #expect(capture.problems == (areSuspicious ? ["logprobs_all_zero"] : isEmpty ? ["no_token_data"] : []))
    }

    @Test func eachChoiceIsChecked() throws {
        let zeros = Self.event(
            Self.entry("a", "0"), Self.entry("a", "0"), Self.entry("a", "0"), Self.entry("a", "0"))
        let other = Self.one.replacing(#""index":0"#, with: #""index":1"#)
        #expect(try capture([zeros, other]).problems == ["logprobs_all_zero"])
    }

    // MARK: Hidden tokens

    private static func delta(_ delta: String) -> String {
        #"{"choices":[{"index":0,"delta":\#(delta),"logprobs":null,"finish_reason":"stop"}]}"#
    }
    private static let call = delta(
        #"{"tool_calls":[{"index":0,"id":"c","function":{"name":"f","arguments":"{}"}}]}"#)
    private static let hello = event(entry("Hello", "-1.5"), delta: #"{"content":"Hello"}"#)

    @Test(arguments: [
        [hello, call], [call, hello], [delta(#"{"reasoning":"Hm"}"#), hello],
        [delta(#"{"reasoning_content":"Hm"}"#), hello],
        [hello, delta(#"{"function_call":{"name":"f","arguments":"{}"}}"#)],
        // A single hidden byte.
        [delta(#"{"reasoning":"x"}"#), hello],
    ])
    func missingHiddenTokensAreMarked(events: [String]) throws {
        #expect(try capture(events).problems == ["hidden_tokens_missing"])
        #expect(try capture(events + [Self.usage(9)]).problems == ["hidden_tokens_missing", "token_count_mismatch"])
    }

    /// Old vLLM servers gave neither ids nor log-probabilities of tool calls.
    @Test func idsOfVisibleTokensOnly() throws {
        let hello = Self.hello.replacing(#""logprobs""#, with: #""token_ids":[5],"logprobs""#)
        #expect(try capture([hello, Self.call], .vllm).problems == ["hidden_tokens_missing"])
    }

    @Test(arguments: [
        [hello], [hello, delta(#"{"reasoning":""}"#)], [hello, delta(#"{"reasoning":null,"tool_calls":[]}"#)],
        [event(entry("Hm", "-1"), delta: #"{"reasoning":"Hm"}"#), hello],
        [event(entry("<think>", "-1"), delta: "{}"), hello, delta(#"{"reasoning":"H"}"#)],
    ])
    func completeTokensAreNotMarked(events: [String]) throws { #expect(try capture(events).problems == []) }

    /// Ids alone are taken for those of all tokens.
    @Test func idsAloneAreNotMarked() throws {
        let events = [
            Self.call,
            #"{"choices":[{"index":0,"delta":{},"finish_reason":"tool_calls"}],"nvext":{"completion_token_ids":[1,2]}}"#,
        ]
        let capture = try capture(events, .dynamo)
        #expect(capture.level == .ids && capture.problems == [])
    }

    // MARK: Ids of the whole reply

    private static func sglext(_ ids: String) -> String { #"{"choices":[],"sglext":{"output_ids":\#(ids)}}"# }

    @Test(arguments: [
        ("[[7,8]]", "7,8", []), ("[7,8]", "7,8", []), ("[[7]]", "7", ["ids_logprobs_mismatch"]),
        ("[[7,8,9]]", "7,8,9", ["ids_logprobs_mismatch"]),
        // Empty lists change nothing.
        ("[[]]", "", []), ("[]", "", []), ("null", "", []), ("[null]", "", []), (#""x""#, "", []),
        ("[[7,null]]", "7,null", ["token_ids_incomplete"]), (#"[[7,"8"]]"#, "7,null", ["token_id_invalid"]),
    ])
    func idsOfTheWholeReplyAreUsed(ids: String, expected: String, problems: [ProblemCode]) throws {
        let event = Self.event(Self.entry("a", "-1"), Self.entry("b", "-2"))
        let capture = try capture([event, Self.sglext(ids)], .sglang)
        let choice = try #require(capture.choices.first)
        #expect(choice.idsText == expected && choice.isAligned)
        #expect(capture.problems == problems)
        let isMismatch = problems == ["ids_logprobs_mismatch"]
        #expect(capture.level == (expected.isEmpty ? .logprobs : isMismatch ? .ids : .tokens))
        #expect(choice.valuesText.contains("-1") != isMismatch)
        // The entries are recorded nevertheless.
        #expect(choice.logprobs?.count == 2)
    }

    // MARK: Recorded replies

    /// Good replies of real engines pass all checks.
    @Test(arguments: WireSample.choiceReplies)
    func recordedRepliesPassAllChecks(sample: WireSample) throws {
        let suspicions: Set<ProblemCode> = [
            "logprob_filler", "logprobs_all_zero", "duplicate_event", "hidden_tokens_missing", "echo_not_separated",
            "ids_logprobs_mismatch", "token_ids_incomplete", "logprob_missing", "non_finite_number", "invalid_utf8",
            "stream_not_terminated", "reply_cut_off", "unparsed_event", "reply_not_json", "token_text_mismatch",
            "token_text_missing", "token_id_invalid", "logprob_invalid", "finish_reason_missing",
        ]
        for profile in [sample.profile, .generic] {
            let capture = captured(sample, try sample.injectedReply(profile))
            #expect(suspicions.isDisjoint(with: capture.problems), "\(capture.problems)")
        }
    }
}
