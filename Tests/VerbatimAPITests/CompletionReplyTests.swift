import TestSupport
import VerbatimSchema
import VerbatimJSON
import Testing
import VerbatimAPI
import VerbatimTesting

/// Replies to completions: lists of tokens and log-probabilities, echoed prompts, several prompts.
@Suite struct CompletionReplyTests {
    static let two = #""prompt":"ab","stream":true"#
    static let echo = #""echo":true,\#(two)"#

    private func prepared(_ fields: String, _ profile: EngineProfile = .vllm) throws -> PreparedExchange {
        try prepare("{\(fields)}", api: .completions, profile: profile)
    }

    private func capture(
        _ fields: String, _ events: [String], _ profile: EngineProfile = .vllm
    ) throws -> (capture: Capture, output: String) {
        let driver = StreamDriver.run(try prepared(fields, profile).reply, events: events)
        return (driver.reply.captured(), driver.outputText)
    }

    static func choice(_ tokens: String, _ values: String, _ rest: String = "", index: Int = 0) -> String {
        #"{"index":\#(index),"text":"","logprobs":{"text_offset":[],"token_logprobs":[\#(values)],"#
            + #""tokens":[\#(tokens)],"top_logprobs":null},"finish_reason":"stop"\#(rest)}"#
    }

    static func event(_ choices: String..., rest: String = "") -> String {
        #"{"choices":[\#(choices.joined(separator: ","))]\#(rest)}"#
    }

    @Test func completionListsAreAligned() throws {
        let (capture, output) = try capture(
            Self.two,
            [
                Self.event(Self.choice(#""a","b""#, "-1.50,-2e-3", #","token_ids":[7,8],"prompt_token_ids":[1]"#)),
                Self.event(Self.choice(#""c""#, "-0.0", #","token_ids":[9],"prompt_token_ids":null"#)),
                Self.event(rest: #","usage":{"completion_tokens":3}"#),
            ])
        let choice = try #require(capture.choices.first)
        #expect(choice.tokensText == #""a","b","c""# && choice.idsText == "7,8,9")
        #expect(choice.valuesText == "-1.50,-2e-3,-0.0" && capture.promptTokenIDs.text == "[1]")
        #expect(capture.level == .tokens && capture.isComplete)
        #expect(!output.contains("token_logprobs") && !output.contains("[7") && !output.contains("[1]"))
        #expect(output.split(separator: #""token_ids":null"#).count == 3)
    }

    @Test(arguments: [
        // More tokens than values, and the other way round.
        (#""a","b""#, "-1", #""a","b""#, "-1,null", ["logprob_missing"]),
        (#""a""#, "-1,-2", #""a""#, "-1", ["ids_logprobs_mismatch"]),
        (#""a",null"#, "-1,-2", "\"a\",\"\u{FFFD}\"", "-1,-2", ["token_text_missing"]),
        ("", "", "", "", ["no_token_data"]), (#""a""#, #""-1""#, #""a""#, "null", ["logprob_missing"]),
        (#""a""#, "NaN", #""a""#, "null", ["logprob_missing", "non_finite_number"]),
        (#""a""#, "-9999.0", #""a""#, "null", ["logprob_filler"]),
        (#""token_id:5""#, "-1", #""token_id:5""#, "-1", []),
    ])
    func tokenListsAreAligned(
        tokens: String, values: String, gotTokens: String, gotValues: String, problems: [ProblemCode]
    )
        throws
    {
        let capture = try capture(Self.two, [Self.event(Self.choice(tokens, values))]).capture
        let choice = try #require(capture.choices.first)
        #expect(choice.tokensText == gotTokens && choice.valuesText == gotValues && choice.isAligned)
        #expect(Set(capture.problems) == Set(problems))
    }

    /// A first token without a log-probability belongs to an echoed prompt only if an echo was requested.
    @Test func missingFirstLogprobIsNoEchoUnlessRequested() throws {
        let capture = try capture(Self.two, [Self.event(Self.choice(#""a","b""#, "null,-1"))]).capture
        #expect(capture.problems == ["logprob_missing"])
        #expect(capture.choices.first?.tokensText == #""a","b""#)
    }

    // MARK: Echo

    @Test(arguments: [
        (#""echo":true,"stream":true,"prompt":"ab""#, #","usage":{"prompt_tokens":2,"completion_tokens":1}"#),
        (#""echo":true,"stream":true,"prompt":["ab"]"#, #","usage":{"prompt_tokens":2,"completion_tokens":1}"#),
        (#""echo":true,"stream":true,"prompt":[5,6]"#, ""),
        (#""echo":true,"stream":true,"prompt":[[5,6]]"#, #","usage":{"prompt_tokens":2,"completion_tokens":1}"#),
    ])
    func echoedPromptIsRemovedFromTheCapture(fields: String, rest: String) throws {
        let capture = try capture(
            fields, [Self.event(Self.choice(#""a","b","c""#, "null,-1,-2"), rest: rest)]
        ).capture
        #expect(capture.choices.first?.tokensText == #""c""# && capture.choices.first?.valuesText == "-2")
        #expect(capture.isComplete, "\(capture.problems)")
    }

    @Test(arguments: [
        // The length of the prompt is unknown.
        (echo, ""), (#""echo":true,"stream":true,"prompt":["a","b"]"#, #","usage":{"prompt_tokens":2}"#),
        (#""echo":true,"stream":true,"prompt":[[1],[2]]"#, #","usage":{"prompt_tokens":2}"#),
        // The prompt cannot be that long.
        (echo, #","usage":{"prompt_tokens":9}"#),
    ])
    func echoOfUnknownLengthIsMarked(fields: String, rest: String) throws {
        let capture = try capture(
            fields, [Self.event(Self.choice(#""a","b","c""#, "null,-1,-2"), rest: rest)]
        ).capture
        #expect(capture.choices.first?.tokensText == #""a","b","c""#)
        #expect(capture.problems.contains("echo_not_separated") && !capture.isComplete)
    }

    @Test func echoWithoutTokenData() throws {
        let capture = try capture(
            #""echo":true,"max_tokens":0,"prompt":[5,6],"stream":true"#,
            [Self.event(Self.choice(#""a","b""#, "null,-1"), rest: #","usage":{"completion_tokens":0}"#)]
        ).capture
        #expect(capture.choices.first?.tokens.isEmpty == true)
        #expect(capture.problems == [] && capture.isComplete)
    }

    /// An echo whose first token has a log-probability differs from a completion in its length only.
    @Test func echoWithAFirstLogprobIsRecognizedByItsLength() throws {
        let event = Self.event(Self.choice(#""a","b","c""#, "-3,-1,-2"))
        let unknown = try capture(Self.echo, [event]).capture
        #expect(unknown.problems == ["echo_not_separated"])
        let usage = #","usage":{"prompt_tokens":2,"completion_tokens":%}"#
        for (count, problems) in [("1", ["token_count_mismatch"]), ("3", [])] as [(String, [ProblemCode])] {
            let rest = usage.replacing("%", with: count)
            let capture = try capture(Self.echo, [event, Self.event(rest: rest)]).capture
            #expect(capture.problems == problems)
        }
    }

    /// Faults in the log-probabilities of the prompt do not affect the completion.
    @Test func checksIgnoreTheEchoedPrompt() throws {
        let fields = #""echo":true,"prompt":[5,6,7],"stream":true"#
        let filler = try capture(fields, [Self.event(Self.choice(#""a","b","c","d""#, "null,-9999.0,NaN,-2"))]).capture
        #expect(filler.choices.first?.valuesText == "-2")
        #expect(filler.problems == ["non_finite_number"])
        let missing = try capture(fields, [Self.event(Self.choice(#""a","b","c","d""#, "null,-9999.0,-1,null"))])
        #expect(missing.capture.problems == ["logprob_missing"])
        let zeros = #""a","b","c","d","e","f","g""#
        let zero = try capture(fields, [Self.event(Self.choice(zeros, "null,-3,-1,0.0,0.0,0.0,0.0"))]).capture
        #expect(zero.problems == ["logprobs_all_zero"])
    }

    /// vLLM sends ids of the completion only, but log-probabilities of the prompt as well.
    @Test func idsAreAlignedWithTheCompletion() throws {
        let fields = #""return_token_ids":true,"logprobs":1,\#(Self.echo)"#
        let capture = try capture(
            fields,
            [
                Self.event(
                    Self.choice(#""a","b","c""#, "null,-1,-2", #","prompt_token_ids":[5,6],"token_ids":[7]"#)),
                Self.event(Self.choice(#""d""#, "-3", #","token_ids":[8]"#)),
            ]
        ).capture
        let choice = try #require(capture.choices.first)
        #expect(choice.tokensText == #""c","d""# && choice.idsText == "7,8" && choice.valuesText == "-2,-3")
        #expect(capture.problems == [] && capture.level == .tokens)
    }

    /// An echo with log-probabilities makes vLLM send `prompt_logprobs`, which are kept only if the agent asked for
    /// them.
    @Test func requestedPromptLogprobsAreKept() throws {
        let reply = Self.event(
            Self.choice(#""a","b","c""#, "null,-1,-2", #","prompt_logprobs":[null,{"6":{"logprob":-1}}]"#))
        for (own, isOff) in [("", true), (#","prompt_logprobs":null"#, true), (#","prompt_logprobs":1"#, false)] {
            let prepared = try prepared(#""echo":true,"prompt":"ab"\#(own)"#)
            let read = readWhole(prepared.reply, Array(reply.utf8))
            let output = String(decoding: read.output, as: UTF8.self)
            #expect(output.contains(#""prompt_logprobs":null"#) == isOff)
            #expect(output.contains(#""logprobs":null"#))
            #expect(read.reply.captured().choices.first?.tokensText == #""c""#)
        }
    }

    // MARK: Several prompts

    @Test func eachPromptHasItsOwnIDs() throws {
        let capture = try capture(
            #""prompt":["a","b"],"stream":true"#,
            [
                Self.event(Self.choice(#""c""#, "-1", #","token_ids":[7],"prompt_token_ids":[2]"#, index: 1)),
                Self.event(Self.choice(#""d""#, "-2", #","token_ids":[8],"prompt_token_ids":[1]"#)),
                Self.event(rest: #","usage":{"completion_tokens":2}"#),
            ]
        ).capture
        #expect(capture.choices.map(\.promptTokenIDs.text) == ["[1]", "[2]"])
        #expect(capture.choices.map(\.idsText) == ["8", "7"] && capture.promptTokenIDs.text == "[1]")
        #expect(capture.isComplete)
    }

    /// vLLM sends an event without text for a token that holds a part of a character.
    @Test func eventsWithoutTextAreForwarded() throws {
        let event = #"{"choices":[{"index":0,"text":"","logprobs":null,"finish_reason":null,"token_ids":[5]}]}"#
        for profile in [EngineProfile.vllm, .generic, .sglang, .openAI] {
            #expect(try capture(Self.two, [event], profile).output.contains(#""text":"""#), "\(profile)")
        }
    }

    /// The assembled reply has the engine's numbers, also where the lists have null.
    @Test func assembledResponseKeepsFillers() throws {
        let capture = try capture(Self.two, [Self.event(Self.choice(#""a","b""#, "-9999.0,-1.0"))]).capture
        #expect(capture.choices.first?.valuesText == "null,-1.0")
        #expect(capture.responseText.contains(#""token_logprobs":[-9999.0,-1.0]"#))
    }
}
