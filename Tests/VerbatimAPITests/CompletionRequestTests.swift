import TestSupport
import VerbatimSchema
import Testing
import VerbatimAPI

/// What is turned on in a completion's request, to the byte.
@Suite struct CompletionRequestTests {
    static let ids = #""return_token_ids":true"#

    private func prepared(
        _ body: String, _ profile: EngineProfile = .vllm, injectionLimits: InjectionLimits = InjectionLimits(),
        _ change: (inout RequestPolicy) -> Void = { _ in }
    ) throws -> PreparedExchange {
        try prepare(body, api: .completions, profile: profile, injectionLimits: injectionLimits, change)
    }

    @Test(arguments: [
        (#"{}"#, #"{"logprobs":5,\#(ids)}"#),
        (#"{"prompt":"a"}"#, #"{"prompt":"a","logprobs":5,\#(ids)}"#),
        ("{\r\n \"prompt\" : \"a\"\r\n}\n", "{\r\n \"prompt\" : \"a\",\"logprobs\":5,\(ids)\r\n}\n"),
        (#"{"logprobs": null ,"n":1}"#, #"{"logprobs": 5 ,"n":1,\#(ids)}"#),
        (#"{"return_token_ids":false}"#, #"{"return_token_ids":true,"logprobs":5}"#),
        (#"{"log\u0070robs":null}"#, #"{"log\u0070robs":5,\#(ids)}"#),
        (#"{"logprobs":1,"logprobs":null}"#, #"{"logprobs":1,"logprobs":5,\#(ids)}"#),
        // Completions have no `top_logprobs`: a value of the agent is kept.
        (#"{"top_logprobs":3}"#, #"{"top_logprobs":3,"logprobs":5,\#(ids)}"#),
        // The agent has set the field itself.
        (#"{"logprobs":0}"#, #"{"logprobs":0,\#(ids)}"#), (#"{"logprobs":1}"#, #"{"logprobs":1,\#(ids)}"#),
        (#"{"logprobs":50}"#, #"{"logprobs":50,\#(ids)}"#), (#"{"logprobs":-1}"#, #"{"logprobs":-1,\#(ids)}"#),
        (#"{"return_token_ids":true}"#, #"{"return_token_ids":true,"logprobs":5}"#),
        // Prompts of every type.
        (#"{"prompt":[1,2]}"#, #"{"prompt":[1,2],"logprobs":5,\#(ids)}"#),
        (#"{"prompt":[[1],[2,3]],"n":2}"#, #"{"prompt":[[1],[2,3]],"n":2,"logprobs":5,\#(ids)}"#),
        (#"{"prompt":["a","b"]}"#, #"{"prompt":["a","b"],"logprobs":5,\#(ids)}"#),
        (#"{"prompt":[]}"#, #"{"prompt":[],"logprobs":5,\#(ids)}"#),
        (#"{"prompt":null}"#, #"{"prompt":null,"logprobs":5,\#(ids)}"#),
        (#"{"stream":true,"prompt":"a"}"#, #"{"stream":true,"prompt":"a","logprobs":5,\#(ids)}"#),
    ])
    func injectsTheExpectedFields(body: String, expected: String) throws {
        #expect(try prepared(body).bodyText == expected)
    }

    /// The engine refuses a `logprobs` that is no number.
    @Test(arguments: [#"true"#, "false", #""5""#, "[]", #"{"a":1}"#])
    func leavesTheBodyUnchanged(logprobs: String) throws {
        let body = #" {"logprobs": \#(logprobs) } "#
        let prepared = try prepared(body)
        #expect(prepared.bodyText == body)
        #expect(prepared.injection.isEmpty && prepared.clientFields.isEmpty)
    }

    /// vLLM refuses `logprob_token_ids` without `logprobs`, and breaks off a stream of several echoed choices.
    @Test(arguments: [
        #"{"prompt":"a","logprob_token_ids":[1]}"#, #"{"prompt":"a","echo":true,"n":2,"stream":true}"#,
        #"{"prompt":"a","stream":true,"logprobs":null,"n":3,"echo":true}"#,
    ])
    func injectsNothing(body: String) throws { #expect(try prepared(body).bodyText == body) }

    @Test(arguments: [
        (#"{"prompt":"a","echo":true,"n":2}"#, #""logprobs":5"#),
        (#"{"prompt":"a","echo":true,"stream":true}"#, #""logprobs":5"#),
        (#"{"prompt":"a","n":2,"stream":true}"#, #""logprobs":5,\#(ids)"#),
        (#"{"prompt":"a","logprobs":1,"logprob_token_ids":[1]}"#, ids),
    ])
    func injectsWithWhatIsSimilar(body: String, added: String) throws {
        #expect(try prepared(body).bodyText == "\(body.dropLast()),\(added)}")
    }

    /// vLLM omits the echoed prompt from the text if ids are requested.
    @Test(arguments: [
        (#""echo":true"#, false), (#""echo": true ,"prompt":[1,2]"#, false), (#""e\u0063ho":true"#, false),
        (#""echo":false,"echo":true"#, false), (#""echo":false"#, true), (#""echo":null"#, true),
        (#""echo":1"#, true), (#""echo":true,"echo":false"#, true),
    ])
    func idsAreNotInjectedWithEcho(fields: String, asksForIDs: Bool) throws {
        let rest = asksForIDs ? ",\(Self.ids)" : ""
        #expect(try prepared("{\(fields)}").bodyText == #"{\#(fields),"logprobs":5\#(rest)}"#)
        #expect(try prepared("{\(fields)}", .generic).bodyText == #"{\#(fields),"logprobs":5\#(rest)}"#)
    }

    /// Requested ids are kept, with the effect that they have on the echo.
    @Test func requestedIDsAreKeptWithEcho() throws {
        let body = #"{"echo":true,"return_token_ids":true,"logprobs":1}"#
        #expect(try prepared(body).bodyText == body)
    }

    static let askings: [(EngineProfile, String)] = [
        (.generic, #""logprobs":5,\#(ids)"#), (.vllm, #""logprobs":5,\#(ids)"#),
        (.sglang, #""logprobs":5,\#(ids)"#), (.llamaCpp, #""logprobs":5"#), (.openAI, #""logprobs":5"#),
        (.azure, #""logprobs":5"#), (.openRouter, #""logprobs":5"#), (.huggingFaceRouter, #""logprobs":5"#),
        (.tensorRTLLM, #""logprobs":5"#), (.ollama, #""logprobs":5"#), (.tgi, ""), (.lmStudio, ""),
        (.mlxLM, #""logprobs":true"#), (.dynamo, #""logprobs":5,"nvext":{"extra_fields":["completion_token_ids"]}"#),
    ]

    @Test(arguments: askings, ["", #""stream":true"#])
    func asksForTheFieldsOfTheEngine(asking: (profile: EngineProfile, fields: String), stream: String) throws {
        // Streams of llama.cpp have no list of all ids.
        let more = asking.profile == .llamaCpp && stream.isEmpty ? #""verbose":true,"return_tokens":true"# : ""
        // Streams of mlx-lm have no log-probabilities.
        let fields = asking.profile == .mlxLM && !stream.isEmpty ? "" : asking.fields
        let expected = [stream, fields, more].filter { !$0.isEmpty }.joined(separator: ",")
        #expect(try prepared("{\(stream)}", asking.profile).bodyText == "{\(expected)}")
    }

    @Test func everyProfileIsTested() {
        #expect(Set(Self.askings.map(\.0)).symmetricDifference(EngineProfile.all + [.generic]) == [])
    }

    @Test(arguments: EngineProfile.all + [.generic])
    func injectsNothing(profile: EngineProfile) throws {
        let body = #"{"prompt":"a","stream" : true}"#
        for goal in [CaptureGoal.text, .off] {
            let prepared = try prepared(body, profile) { $0.goal = goal }
            #expect(prepared.bodyText == body && prepared.injection.isEmpty && prepared.isStream)
        }
        #expect(try prepared(body, profile, injectionLimits: .nothing).bodyText == body)
    }

    @Test func dynamoKeepsRequestedExtensions() throws {
        for (nvext, expected) in [
            (#"{"a":1}"#, #"{"a":1,"extra_fields":["completion_token_ids"]}"#),
            (#"{"extra_fields":["timing"]}"#, #"{"extra_fields":["timing","completion_token_ids"]}"#),
            (#"{"extra_fields":[]}"#, #"{"extra_fields":["completion_token_ids"]}"#), ("7", "7"),
            (#"{"extra_fields":["completion_token_ids"]}"#, #"{"extra_fields":["completion_token_ids"]}"#),
        ] {
            let prepared = try prepared(#"{"nvext":\#(nvext)}"#, .dynamo)
            #expect(prepared.bodyText == #"{"nvext":\#(expected),"logprobs":5}"#)
        }
    }

    @Test func alternativesAreBoundedByTheEngine() throws {
        for (top, profile, expected) in [
            (0, EngineProfile.vllm, 0), (0, .llamaCpp, 1), (20, .vllm, 20), (20, .openAI, 20), (3, .generic, 3),
        ] {
            let prepared = try prepared("{}", profile) {
                $0.topLogprobs = top
                $0.goal = .logprobs
            }
            #expect(prepared.bodyText == #"{"logprobs":\#(expected)}"#)
            #expect(prepared.injection.logprobs == .count && prepared.injection.topLogprobs == expected)
        }
        var injectionLimits = InjectionLimits()
        injectionLimits.maximumTopLogprobs = 1
        #expect(try prepared("{}", injectionLimits: injectionLimits).bodyText == #"{"logprobs":1,\#(Self.ids)}"#)
    }

    @Test func policy() throws {
        let prepared = try prepared(
            #"{"model":"a","max_tokens": 100 ,"temperature":1.0,"max_completion_tokens":100}"#
        ) {
            $0.maxTokensCap = 16
            $0.modelOverride = "b/\u{e9}"
            $0.sampling = [("temperature", Array("0.7".utf8)), ("top_k", Array("20".utf8))]
            // These apply to chats only.
            $0.disablesThinking = true
        }
        #expect(
            prepared.bodyText
                == #"{"model":"b/é","max_tokens": 16 ,"temperature":0.7,"max_completion_tokens":16,"top_k":20,"logprobs":5,\#(Self.ids)}"#
        )
        #expect(prepared.model == "b/é")
        #expect(
            prepared.clientFieldTexts.sorted() == [
                "logprobs=-", "max_completion_tokens=100", "max_tokens=100", #"model="a""#, "return_token_ids=-",
                "temperature=1.0", "top_k=-",
            ])
    }

    @Test(arguments: [("16", "16"), ("15", "15"), ("17", "16"), ("null", "16"), ("1e3", "16"), (#""99""#, "16")])
    func tokenLimitsAreCapped(sent: String, forwarded: String) throws {
        let prepared = try prepared(#"{"max_tokens":\#(sent)}"#) {
            $0.maxTokensCap = 16
            $0.goal = .text
        }
        #expect(prepared.bodyText == #"{"max_tokens":\#(forwarded)}"#)
    }

    /// Models that accept `max_completion_tokens` only are chat models.
    @Test func maxTokensIsNotRenamed() throws {
        let body = #"{"model":"gpt-5","max_tokens":9}"#
        #expect(try prepared(body) { $0.goal = .text }.bodyText == body)
    }

    @Test(arguments: ["", "[]", "null", #""x""#, "{", #"{"a":1}}"#, "{\"a\":\"\u{0}\"}"])
    func otherValuesThanObjectsAreRefused(body: String) {
        #expect(throws: RequestError.self) { try prepared(body) }
    }
}
