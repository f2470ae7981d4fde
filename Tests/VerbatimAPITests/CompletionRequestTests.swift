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
        // There is no `top_logprobs`: what the agent sends under that name is none of ours.
        (#"{"top_logprobs":3}"#, #"{"top_logprobs":3,"logprobs":5,\#(ids)}"#),
        // The agent has its own.
        (#"{"logprobs":0}"#, #"{"logprobs":0,\#(ids)}"#), (#"{"logprobs":1}"#, #"{"logprobs":1,\#(ids)}"#),
        (#"{"logprobs":50}"#, #"{"logprobs":50,\#(ids)}"#), (#"{"logprobs":-1}"#, #"{"logprobs":-1,\#(ids)}"#),
        (#"{"return_token_ids":true}"#, #"{"return_token_ids":true,"logprobs":5}"#),
        // Prompts of every form.
        (#"{"prompt":[1,2]}"#, #"{"prompt":[1,2],"logprobs":5,\#(ids)}"#),
        (#"{"prompt":[[1],[2,3]],"n":2}"#, #"{"prompt":[[1],[2,3]],"n":2,"logprobs":5,\#(ids)}"#),
        (#"{"prompt":["a","b"]}"#, #"{"prompt":["a","b"],"logprobs":5,\#(ids)}"#),
        (#"{"prompt":[]}"#, #"{"prompt":[],"logprobs":5,\#(ids)}"#),
        (#"{"prompt":null}"#, #"{"prompt":null,"logprobs":5,\#(ids)}"#),
        (#"{"stream":true,"prompt":"a"}"#, #"{"stream":true,"prompt":"a","logprobs":5,\#(ids)}"#),
    ])
    func turnsOn(body: String, expected: String) throws { #expect(try prepared(body).bodyText == expected) }

    /// A `logprobs` that is no number is for the engine to refuse.
    @Test(arguments: [#"true"#, "false", #""5""#, "[]", #"{"a":1}"#])
    func leavesAlone(logprobs: String) throws {
        let body = #" {"logprobs": \#(logprobs) } "#
        let prepared = try prepared(body)
        #expect(prepared.bodyText == body)
        #expect(prepared.injection.isEmpty && prepared.clientFields.isEmpty)
    }

    /// vLLM leaves the echoed prompt out of the text if ids are asked for.
    @Test(arguments: [
        (#""echo":true"#, false), (#""echo": true ,"prompt":[1,2]"#, false), (#""e\u0063ho":true"#, false),
        (#""echo":false,"echo":true"#, false), (#""echo":false"#, true), (#""echo":null"#, true),
        (#""echo":1"#, true), (#""echo":true,"echo":false"#, true),
    ])
    func echoForbidsIDs(fields: String, asksForIDs: Bool) throws {
        let rest = asksForIDs ? ",\(Self.ids)" : ""
        #expect(try prepared("{\(fields)}").bodyText == #"{\#(fields),"logprobs":5\#(rest)}"#)
        #expect(try prepared("{\(fields)}", .generic).bodyText == #"{\#(fields),"logprobs":5\#(rest)}"#)
    }

    /// The agent's own ids stay, and so does what the engine makes of them.
    @Test func echoWithIDsOfTheAgentsOwn() throws {
        let body = #"{"echo":true,"return_token_ids":true,"logprobs":1}"#
        #expect(try prepared(body).bodyText == body)
    }

    static let askings: [(EngineProfile, String)] = [
        (.generic, #""logprobs":5,\#(ids)"#), (.vllm, #""logprobs":5,\#(ids)"#),
        (.sglang, #""logprobs":5,\#(ids)"#), (.llamaCpp, #""logprobs":5"#), (.openAI, #""logprobs":5"#),
        (.azure, #""logprobs":5"#), (.openRouter, #""logprobs":5"#), (.huggingFaceRouter, #""logprobs":5"#),
        (.tensorRTLLM, #""logprobs":5"#), (.ollama, #""logprobs":5"#), (.tgi, ""), (.lmStudio, ""),
        (.dynamo, #""logprobs":5,"nvext":{"extra_fields":["completion_token_ids"]}"#),
    ]

    @Test(arguments: askings, ["", #""stream":true"#])
    func asksForWhatTheEngineHas(asking: (profile: EngineProfile, fields: String), stream: String) throws {
        // A stream of llama.cpp's has no list of all ids.
        let more = asking.profile == .llamaCpp && stream.isEmpty ? #""verbose":true,"return_tokens":true"# : ""
        let expected = [stream, asking.fields, more].filter { !$0.isEmpty }.joined(separator: ",")
        #expect(try prepared("{\(stream)}", asking.profile).bodyText == "{\(expected)}")
    }

    @Test func everyProfileIsThere() {
        #expect(Set(Self.askings.map(\.0)) == Set(EngineProfile.all + [.generic]))
    }

    @Test(arguments: EngineProfile.all + [.generic])
    func asksForNothing(profile: EngineProfile) throws {
        let body = #"{"prompt":"a","stream" : true}"#
        for goal in [CaptureGoal.text, .off] {
            let prepared = try prepared(body, profile) { $0.goal = goal }
            #expect(prepared.bodyText == body && prepared.injection.isEmpty && prepared.isStream)
        }
        #expect(try prepared(body, profile, injectionLimits: .nothing).bodyText == body)
    }

    @Test func dynamoKeepsTheAgentsExtensions() throws {
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

    @Test func howManyAlternatives() throws {
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
            // These are for chats only.
            $0.disablesThinking = true
        }
        #expect(
            prepared.bodyText
                == #"{"model":"b/é","max_tokens": 16 ,"temperature":0.7,"max_completion_tokens":100,"top_k":20,"logprobs":5,\#(Self.ids)}"#
        )
        #expect(prepared.model == "b/é")
        #expect(
            prepared.clientFieldTexts.sorted() == [
                "logprobs=-", "max_tokens=100", #"model="a""#, "return_token_ids=-", "temperature=1.0", "top_k=-",
            ])
    }

    @Test(arguments: [("16", "16"), ("15", "15"), ("17", "16"), ("null", "null"), ("1e3", "16"), (#""99""#, #""99""#)])
    func caps(sent: String, forwarded: String) throws {
        let prepared = try prepared(#"{"max_tokens":\#(sent)}"#) {
            $0.maxTokensCap = 16
            $0.goal = .text
        }
        #expect(prepared.bodyText == #"{"max_tokens":\#(forwarded)}"#)
    }

    /// Models that take `max_completion_tokens` only are chat models.
    @Test func maxTokensKeepsItsName() throws {
        let body = #"{"model":"gpt-5","max_tokens":9}"#
        #expect(try prepared(body) { $0.goal = .text }.bodyText == body)
    }

    @Test(arguments: ["", "[]", "null", #""x""#, "{", #"{"a":1}}"#, "{\"a\":\"\u{0}\"}"])
    func whatIsNoObjectIsRefused(body: String) {
        #expect(throws: RequestError.self) { try prepared(body) }
    }
}
