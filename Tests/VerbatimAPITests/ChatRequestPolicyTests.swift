import TestSupport
import VerbatimSchema
import Testing
import VerbatimAPI

/// The effect of a policy on a request, byte for byte. Nothing is injected here (`--capture text`).
@Suite struct ChatRequestPolicyTests {
    private func prepareText(_ body: String, _ change: (inout RequestPolicy) -> Void) throws -> PreparedExchange {
        try prepare(body) { policy in
            policy.goal = .text
            change(&policy)
        }
    }

    // MARK: Caps

    @Test(arguments: [
        (#"{"max_tokens":500}"#, #"{"max_tokens":100}"#), (#"{"max_tokens":101}"#, #"{"max_tokens":100}"#),
        (#"{"max_tokens":100}"#, #"{"max_tokens":100}"#), (#"{"max_tokens":1}"#, #"{"max_tokens":1}"#),
        (#"{"max_tokens": 1e3 }"#, #"{"max_tokens": 100 }"#), (#"{"max_tokens":100.5}"#, #"{"max_tokens":100}"#),
        (#"{"max_tokens":1e1}"#, #"{"max_tokens":1e1}"#), (#"{"max_tokens":50.0}"#, #"{"max_tokens":50.0}"#),
        (#"{"max_tokens":99999999999999999999}"#, #"{"max_tokens":100}"#),
        (#"{"max_completion_tokens":500}"#, #"{"max_completion_tokens":100}"#),
        (#"{"max_completion_tokens":50}"#, #"{"max_completion_tokens":50}"#),
        (
            #"{"max_tokens":500,"max_completion_tokens":400}"#,
            #"{"max_tokens":100,"max_completion_tokens":100}"#
        ),
        (#"{"max_tokens":5,"max_tokens":500}"#, #"{"max_tokens":5,"max_tokens":100}"#),
        (#"{"max_tokens":500,"max_tokens":5}"#, #"{"max_tokens":500,"max_tokens":5}"#),
        (#"{"m\u0061x_tokens":500}"#, #"{"m\u0061x_tokens":100}"#),
    ])
    func tokenLimitsAreCapped(body: String, expected: String) throws {
        #expect(try prepareText(body) { $0.maxTokensCap = 100 }.bodyText == expected)
    }

    @Test(
        "A limit in other letters goes: an engine that ignores case would take it",
        arguments: [
            (#"{"max_tokens":5,"MAX_TOKENS":9}"#, #"{"max_tokens":5}"#),
            (#"{"Max_Tokens":9}"#, #"{"max_tokens":100}"#),
            ("{\"max_tokens\":5,\"max_to\u{212A}ens\":9,\"a\":1}", #"{"max_tokens":5,"a":1}"#),
            ("{\"max_token\u{17F}\":9,\"maxtokens\":7}", #"{"max_tokens":100}"#),
        ])
    func otherSpellings(body: String, expected: String) throws {
        #expect(try prepareText(body) { $0.maxTokensCap = 100 }.bodyText == expected)
        #expect(try prepareText(body) { _ in }.bodyText == body)
    }

    @Test("So does another model") func otherModels() throws {
        let prepared = try prepareText(#"{"model":"a","Model":"b","MODEL":"c"}"#) { $0.modelOverride = "d" }
        #expect(prepared.bodyText == #"{"model":"d"}"#)
    }

    @Test(
        "What is no natural number limits nothing, or what the engine likes",
        arguments: [
            "null", #""500""#, #""5""#, "true", "[500]", "{}", "-1", "-0.5", "99.5", "1e400", "-1e400", "1e-3", "0",
            "1\(String(repeating: "0", count: 5000))", "0.\(String(repeating: "0", count: 5000))1",
        ])
    func otherValuesAreCapped(value: String) throws {
        for name in ["max_tokens", "max_completion_tokens"] {
            let prepared = try prepareText(#"{"\#(name)": \#(value) ,"n":2}"#) { $0.maxTokensCap = 100 }
            let expected =
                value == "null" && name == "max_completion_tokens"
                ? #"{"max_completion_tokens": null ,"n":2,"max_tokens":100}"# : #"{"\#(name)": 100 ,"n":2}"#
            #expect(prepared.bodyText == expected)
        }
    }

    @Test(
        "A request without a limit gets one, by the name that its API and model have",
        arguments: [
            (.chatCompletions, #"{}"#, #"{"max_tokens":100}"#),
            (.chatCompletions, #"{"model":"gpt-4o"}"#, #"{"model":"gpt-4o","max_tokens":100}"#),
            (.chatCompletions, #"{"model":"gpt-5"}"#, #"{"model":"gpt-5","max_completion_tokens":100}"#),
            (
                .chatCompletions, #"{"model":"o1","max_tokens":null}"#,
                #"{"model":"o1","max_tokens":null,"max_completion_tokens":100}"#
            ),
            (.completions, #"{"prompt":"a"}"#, #"{"prompt":"a","max_tokens":100}"#),
            (.completions, #"{"max_tokens":0}"#, #"{"max_tokens":0}"#),
            (.responses, #"{"input":"a"}"#, #"{"input":"a","max_output_tokens":100}"#),
            (.responses, #"{"max_output_tokens":"9"}"#, #"{"max_output_tokens":100}"#),
            (.messages, #"{"messages":[]}"#, #"{"messages":[],"max_tokens":100}"#),
            (.messages, #"{"max_tokens":-1}"#, #"{"max_tokens":100}"#),
            // A name of another API or engine is no limit here.
            (.responses, #"{"max_tokens":5}"#, #"{"max_tokens":5,"max_output_tokens":100}"#),
            (.completions, #"{"n_predict":5}"#, #"{"n_predict":5,"max_tokens":100}"#),
        ] as [(API, String, String)])
    func aMissingLimitIsSet(api: API, body: String, expected: String) throws {
        let prepared = try prepare(body, api: api) {
            $0.goal = .text
            $0.maxTokensCap = 100
        }
        #expect(prepared.bodyText == expected)
        #expect(try prepare(body, api: api) { $0.goal = .text }.bodyText == body, "without a cap nothing changes")
    }

    @Test(
        "Every engine's own names of the limit are capped",
        arguments: API.allCases, ["n_predict", "num_predict", "max_new_tokens", "max_length", "max_tokens_to_sample"])
    func otherNamesAreCapped(api: API, name: String) throws {
        let own = api == .responses ? "max_output_tokens" : "max_tokens"
        for (value, expected) in [("500", "100"), ("-1", "100"), ("null", "100"), (#""7""#, "100"), ("7", "7")] {
            let prepared = try prepare(#"{"\#(own)":9,"\#(name)":\#(value)}"#, api: api) {
                $0.goal = .text
                $0.maxTokensCap = 100
            }
            #expect(prepared.bodyText == #"{"\#(own)":9,"\#(name)":\#(expected)}"#)
            #expect(prepared.clientFieldTexts == (value == expected ? [] : ["\(name)=\(value)"]))
        }
    }

    @Test(
        "Limits in objects of engines and gateways are capped",
        arguments: ["sampling_params", "options", "parameters", "generation_config", "extra_body"])
    func nestedLimitsAreCapped(parent: String) throws {
        let body =
            #"{"max_tokens":9,"\#(parent)":{ "x" : {"n_predict":-1}, "n_predict" : -1 ,"max_new_tokens":500,"num_predict":3}}"#
        let prepared = try prepareText(body) { $0.maxTokensCap = 100 }
        #expect(
            prepared.bodyText
                == #"{"max_tokens":9,"\#(parent)":{ "x" : {"n_predict":-1}, "n_predict" : 100 ,"max_new_tokens":100,"num_predict":3}}"#
        )
        #expect(
            prepared.clientFieldTexts == ["\(parent).n_predict=-1", "\(parent).max_new_tokens=500"],
            "the record lists each change")
        // What is no object is left alone.
        let other = #"{"max_tokens":9,"\#(parent)":[{"n_predict":-1}]}"#
        #expect(try prepareText(other) { $0.maxTokensCap = 100 }.bodyText == other)
    }

    @Test("Several members of one object can be changed")
    func severalChangesInOneObject() throws {
        let body = #"{"max_tokens":1,"options":{"num_predict":-1,"n_predict":-2},"options":{"num_predict":-3}}"#
        let prepared = try prepareText(body) { $0.maxTokensCap = 4 }
        #expect(
            prepared.bodyText
                == #"{"max_tokens":1,"options":{"num_predict":-1,"n_predict":-2},"options":{"num_predict":4}}"#)
        // An object that the operator sets is capped as well, and listed as a whole.
        let overridden = try prepareText(#"{"max_tokens":1,"options":{"num_predict":2}}"#) {
            $0.sampling = [("options", Array(#"{"num_predict":-1}"#.utf8))]
            $0.maxTokensCap = 4
        }
        #expect(overridden.bodyText == #"{"max_tokens":1,"options":{"num_predict":4}}"#)
        #expect(overridden.clientFieldTexts == [#"options={"num_predict":2}"#])
    }

    @Test("The length of a prompt or the number of choices does not change the cap")
    func choicesAreNotCapped() throws {
        let prepared = try prepareText(#"{"max_tokens":500,"n":8,"best_of":9}"#) { $0.maxTokensCap = 100 }
        #expect(prepared.bodyText == #"{"max_tokens":100,"n":8,"best_of":9}"#)
    }

    // MARK: max_tokens or max_completion_tokens

    @Test(arguments: [
        "gpt-5", "gpt-5.1-mini", "o1", "o1-mini", "o3", "o4-mini", "openai/gpt-5-nano", "a/b/o3-pro", "OpenAI/GPT-5",
    ])
    func maxTokensIsRenamedForReasoningModels(model: String) throws {
        let prepared = try prepareText(#"{"model":"\#(model)","max_tokens": 50,"n":1}"#) { _ in }
        #expect(prepared.bodyText == #"{"model":"\#(model)","n":1,"max_completion_tokens":50}"#)
        #expect(prepared.clientFieldTexts == ["max_tokens=50", "max_completion_tokens=-"])
    }

    @Test(arguments: ["gpt-4o", "chatgpt-5", "o2", "foo1", "gpt-5/llama", "o1/x", "my-o3", ""])
    func maxTokensKeepsItsNameForOtherModels(model: String) throws {
        let body = #"{"model":"\#(model)","max_tokens":50}"#
        #expect(try prepareText(body) { _ in }.bodyText == body)
    }

    @Test(arguments: [
        // The field that the model accepts is kept.
        (
            #"{"model":"o1","max_tokens":50,"max_completion_tokens":70}"#,
            #"{"model":"o1","max_completion_tokens":70}"#
        ),
        (
            #"{"max_completion_tokens":null,"max_tokens":50,"model":"o1"}"#,
            #"{"max_completion_tokens":50,"model":"o1"}"#
        ),
        // Null is no limit, and engines accept it.
        (#"{"model":"o1","max_tokens":null}"#, #"{"model":"o1","max_tokens":null}"#),
        (#"{"model":"o1","max_tokens":1,"max_tokens":2}"#, #"{"model":"o1","max_completion_tokens":2}"#),
        (#"{"model":"o1","max_tokens":"9"}"#, #"{"model":"o1","max_completion_tokens":"9"}"#),
        (#"{"max_tokens":9,"model":"\u006f1"}"#, #"{"model":"\u006f1","max_completion_tokens":9}"#),
        (#"{"max_tokens":9}"#, #"{"max_tokens":9}"#), (#"{"max_tokens":9,"model":3}"#, #"{"max_tokens":9,"model":3}"#),
    ])
    func renamingKeepsAnExistingLimit(body: String, expected: String) throws {
        #expect(try prepareText(body) { _ in }.bodyText == expected)
    }

    @Test func renamingDependsOnTheOverridingModel() throws {
        #expect(
            try prepareText(#"{"model":"llama","max_tokens":50}"#) { $0.modelOverride = "openai/o4-mini" }.bodyText
                == #"{"model":"openai/o4-mini","max_completion_tokens":50}"#)
        #expect(
            try prepareText(#"{"model":"o1","max_tokens":50}"#) { $0.modelOverride = "llama" }.bodyText
                == #"{"model":"llama","max_tokens":50}"#)
    }

    @Test func renamedLimitIsCapped() throws {
        #expect(
            try prepareText(#"{"model":"o1","max_tokens":500}"#) { $0.maxTokensCap = 100 }.bodyText
                == #"{"model":"o1","max_completion_tokens":100}"#)
        #expect(
            try prepareText(#"{"model":"o1","max_tokens":50,"max_completion_tokens":500}"#) { $0.maxTokensCap = 100 }
                .bodyText == #"{"model":"o1","max_completion_tokens":100}"#)
    }

    // MARK: Thinking

    static let off = #""chat_template_kwargs":{"enable_thinking":false}"#

    @Test(arguments: [
        (#"{"a":1}"#, #"{"a":1,\#(off)}"#), (#"{"chat_template_kwargs":null}"#, "{\(off)}"),
        (#"{"chat_template_kwargs":{}}"#, "{\(off)}"),
        (
            #"{"chat_template_kwargs":{ "x" : 1.0 }, "b":2}"#,
            #"{"chat_template_kwargs":{ "x" : 1.0,"enable_thinking":false }, "b":2}"#
        ),
        (#"{"chat_template_kwargs":{ }}"#, #"{"chat_template_kwargs":{"enable_thinking":false }}"#),
        (
            #"{"chat_template_kwargs":{"x":{"enable_thinking":true}}}"#,
            #"{"chat_template_kwargs":{"x":{"enable_thinking":true},"enable_thinking":false}}"#
        ),
        (
            #"{"chat_template_kwargs":{"enable_thinking":true},"chat_template_kwargs":{}}"#,
            #"{"chat_template_kwargs":{"enable_thinking":true},\#(off)}"#
        ),
    ])
    func disablesThinking(body: String, expected: String) throws {
        let prepared = try prepareText(body) { $0.disablesThinking = true }
        #expect(prepared.bodyText == expected)
        #expect(prepared.clientFieldTexts == ["chat_template_kwargs.enable_thinking=-"])
    }

    @Test(arguments: [
        #"{"chat_template_kwargs":{"enable_thinking":true}}"#, #"{"chat_template_kwargs":{"enable_thinking":null}}"#,
        #"{"chat_template_kwargs":{"enable_thinking" : false}}"#,
        #"{"chat_template_kwargs":{"enable\u005fthinking":true}}"#, #"{"chat_template_kwargs":"no"}"#,
        #"{"chat_template_kwargs":[]}"#, #"{"chat_template_kwargs":7}"#, #"{"chat_template_kwargs":false}"#,
    ])
    func explicitThinkingIsKept(body: String) throws {
        let prepared = try prepareText(body) { $0.disablesThinking = true }
        #expect(prepared.bodyText == body)
        #expect(prepared.clientFields.isEmpty)
    }

    // MARK: Model and sampling

    @Test(arguments: [
        (#"{"model":"m"}"#, #"a "b"\é🙂"#, #"{"model":"a \"b\"\\é🙂"}"#), (#"{}"#, "x", #"{"model":"x"}"#),
        (#"{"model":null}"#, "x", #"{"model":"x"}"#),
        (#"{"model":"a","model":"b"}"#, "x", #"{"model":"a","model":"x"}"#),
        (#"{"mod\u0065l":"m"}"#, "x", #"{"mod\u0065l":"x"}"#),
    ])
    func overridesTheModel(body: String, model: String, expected: String) throws {
        let prepared = try prepareText(body) { $0.modelOverride = model }
        #expect(prepared.bodyText == expected)
        #expect(prepared.model == model)
        #expect(try decoded(prepared.body) == decoded(expected))
    }

    @Test func overridingWithTheSameModelChangesNothing() throws {
        let prepared = try prepareText(#"{ "model" : "m" }"#) { $0.modelOverride = "m" }
        #expect(prepared.bodyText == #"{ "model" : "m" }"#)
        #expect(prepared.clientFields.isEmpty)
    }

    @Test func samplingOverwritesTheAgentsFields() throws {
        let prepared = try prepareText(#"{"temperature": 0.70 ,"top_p":1}"#) {
            $0.sampling = [("temperature", Array("1.0".utf8)), ("stop", Array(#"["a"]"#.utf8))]
        }
        #expect(prepared.bodyText == #"{"temperature": 1.0 ,"top_p":1,"stop":["a"]}"#)
        #expect(prepared.clientFieldTexts == ["temperature=0.70", "stop=-"])
    }

    @Test func samplingIsAppliedBeforeCaps() throws {
        let prepared = try prepareText(#"{"max_tokens":5,"model":"m"}"#) {
            $0.sampling = [("max_tokens", Array("900".utf8)), ("model", Array(#""o1""#.utf8))]
            $0.maxTokensCap = 100
        }
        #expect(prepared.bodyText == #"{"model":"o1","max_completion_tokens":100}"#)
        #expect(prepared.clientFieldTexts == ["max_tokens=5", "model=\"m\"", "max_completion_tokens=-"])
        #expect(
            try prepareText(#"{"max_tokens":5}"#) {
                $0.sampling = [("model", Array(#""o1""#.utf8))]
                $0.modelOverride = "llama"
            }.bodyText == #"{"max_tokens":5,"model":"llama"}"#)
    }

    @Test func samplingIsAppliedBeforeThinking() throws {
        let prepared = try prepareText(#"{"chat_template_kwargs":{"enable_thinking":true}}"#) {
            $0.sampling = [("chat_template_kwargs", Array(#"{"x":1}"#.utf8))]
            $0.disablesThinking = true
        }
        #expect(prepared.bodyText == #"{"chat_template_kwargs":{"x":1,"enable_thinking":false}}"#)
        #expect(prepared.clientFieldTexts == [#"chat_template_kwargs={"enable_thinking":true}"#])
    }

    // MARK: Together

    @Test(arguments: [CaptureGoal.tokens, .logprobs, .text])
    func policyAppliesAtEveryCaptureGoal(goal: CaptureGoal) throws {
        let prepared = try prepare(#"{"max_tokens":500}"#) {
            $0.goal = goal
            $0.maxTokensCap = 7
        }
        #expect(prepared.bodyText.hasPrefix(#"{"max_tokens":7"#))
    }

    @Test func policyIsIgnoredWhenCaptureIsOff() throws {
        let body = #"{"max_tokens":500,"model":"o1"}"#
        let prepared = try prepare(body) {
            $0.goal = .off
            $0.maxTokensCap = 7
            $0.modelOverride = "x"
            $0.disablesThinking = true
            $0.sampling = [("temperature", Array("1".utf8))]
        }
        #expect(prepared.bodyText == body)
        #expect(prepared.model == "o1")
    }

    @Test func otherBytesAreKept() throws {
        let body = """
            {"a":1.0,"b":1e-5,"c":12345678901234567890, "d":"\\u00e9\\/\\ud83d\\ude42é","e":[1 , {"x":-0.0}],\
            "max_tokens":900 ,"a":2,"logprobs":false,"f":{}}

            """
        let prepared = try prepare(body) {
            $0.maxTokensCap = 10
            $0.modelOverride = "m"
        }
        let expected = """
            {"a":1.0,"b":1e-5,"c":12345678901234567890, "d":"\\u00e9\\/\\ud83d\\ude42é","e":[1 , {"x":-0.0}],\
            "max_tokens":10 ,"a":2,"logprobs":true,"f":{},"model":"m","top_logprobs":5,"return_token_ids":true}

            """
        #expect(prepared.bodyText == expected)
        #expect(
            prepared.clientFieldTexts == [
                "model=-", "max_tokens=900", "logprobs=false", "top_logprobs=-", "return_token_ids=-",
            ])
    }
}
