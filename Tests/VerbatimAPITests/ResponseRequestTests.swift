import TestSupport
import Testing
import VerbatimAPI
import VerbatimSchema

/// The injection into a request to `/responses`, byte for byte.
@Suite struct ResponseRequestTests {
    static let member = #""message.output_text.logprobs""#
    static let on = #""include":[\#(member)],"top_logprobs":5"#
    static let ids = #""enable_response_messages":true"#

    @Test(arguments: [
        (#"{}"#, "{\(on),\(ids)}"),
        (#"{"model":"m","input":"x"}"#, #"{"model":"m","input":"x",\#(on),\#(ids)}"#),
        (#"{"include":null,"a":1.0}"#, #"{"include":[\#(member)],"a":1.0,"top_logprobs":5,\#(ids)}"#),
        (#"{"include": [ ] }"#, #"{"include": [ \#(member)],"top_logprobs":5,\#(ids) }"#),
        // Codex always sends this one.
        (
            #"{"include":["reasoning.encrypted_content"],"stream":true}"#,
            #"{"include":["reasoning.encrypted_content",\#(member)],"stream":true,"top_logprobs":5,\#(ids)}"#
        ),
        // The agent has set the field itself.
        (#"{"include":[\#(member)]}"#, #"{"include":[\#(member)],\#(ids)}"#),
        (
            #"{"include":["a","message.output_text.log\u0070robs"],"top_logprobs":2}"#,
            #"{"include":["a","message.output_text.log\u0070robs"],"top_logprobs":2,\#(ids)}"#
        ),
        (#"{"top_logprobs":2}"#, #"{"top_logprobs":2,"include":[\#(member)],\#(ids)}"#),
        (#"{"top_logprobs":0}"#, #"{"top_logprobs":0,"include":[\#(member)],\#(ids)}"#),
        (#"{"top_logprobs":null}"#, #"{"top_logprobs":5,"include":[\#(member)],\#(ids)}"#),
        (#"{"enable_response_messages":true}"#, #"{"enable_response_messages":true,\#(on)}"#),
        (#"{"enable_response_messages":false}"#, #"{"enable_response_messages":true,\#(on)}"#),
        (#"{"background":false}"#, #"{"background":false,\#(on),\#(ids)}"#),
    ])
    func injectsTheExpectedFields(body: String, expected: String) throws {
        let prepared = try prepareResponse(body)
        #expect(prepared.bodyText == expected)
        #expect(try decoded(prepared.body) == decoded(expected))
    }

    @Test(arguments: [
        #"{"include":[\#(member)],"top_logprobs":3,"enable_response_messages":true}"#,
        // The engine refuses these.
        #"{"include":"message.output_text.logprobs"}"#, #"{"include":{}}"#, #"{"include":true}"#, #"{"include":1}"#,
        // The reply is a response that has not begun.
        #"{"background":true,"store":true}"#, #"{"background":true,"stream":true,"include":["a"]}"#,
        // vLLM and SGLang refuse these with 400.
        #"{"model":"openai/gpt-oss-120b"}"#, #"{"model":"GPT-OSS-20B"}"#, #"{"model":"lmstudio/Gpt-Oss"}"#,
    ])
    func leavesTheBodyUnchanged(body: String) throws {
        for profile in [EngineProfile.vllm, .generic] {
            let prepared = try prepareResponse(" \(body)\n", profile: profile)
            #expect(prepared.bodyText == " \(body)\n")
            #expect(prepared.injection.isEmpty && prepared.clientFields.isEmpty)
        }
    }

    @Test(arguments: [EngineProfile.sglang, .openRouter, .huggingFaceRouter, .tgi])
    func gptOSSIsAskedForNothing(profile: EngineProfile) throws {
        let body = #"{"model":"openai/gpt-oss-120b"}"#
        let prepared = try prepareResponse(body, profile: profile)
        #expect(prepared.bodyText == body && prepared.bestPossibleLevel == .text)
    }

    @Test(arguments: [
        (#"{}"#, EngineProfile.vllm, CaptureLevel.tokens), (#"{}"#, .openAI, .logprobs), (#"{}"#, .llamaCpp, .text),
        (#"{"background":true}"#, .vllm, .text), (#"{"background":true,"include":[\#(member)]}"#, .openAI, .text),
        (#"{"include":[\#(member)],"enable_response_messages":true}"#, .vllm, .tokens),
    ])
    func bestPossibleLevelOfAResponse(body: String, profile: EngineProfile, expected: CaptureLevel) throws {
        #expect(try prepareResponse(body, profile: profile).bestPossibleLevel == expected)
    }

    @Test func openAIIsAskedForEveryModel() throws {
        #expect(
            try prepareResponse(#"{"model":"gpt-oss-120b"}"#, profile: .openAI).bodyText
                == #"{"model":"gpt-oss-120b",\#(Self.on)}"#)
    }

    /// The model that the engine receives decides.
    @Test func overridingModelDecides() throws {
        let toOSS = try prepareResponse(#"{"model":"m"}"#) { $0.modelOverride = "gpt-oss-20b" }
        #expect(toOSS.bodyText == #"{"model":"gpt-oss-20b"}"# && toOSS.injection.isEmpty)
        let fromOSS = try prepareResponse(#"{"model":"gpt-oss-20b"}"#) { $0.modelOverride = "m" }
        #expect(fromOSS.bodyText == #"{"model":"m",\#(Self.on),\#(Self.ids)}"#)
    }

    @Test(arguments: [
        (CaptureGoal.tokens, EngineProfile.vllm, "\(on),\(ids)"), (.tokens, .generic, "\(on),\(ids)"),
        (.tokens, .openAI, on), (.logprobs, .vllm, on), (.logprobs, .generic, on), (.logprobs, .openAI, on),
        (.text, .vllm, ""), (.off, .vllm, ""), (.text, .openAI, ""), (.off, .generic, ""),
        (.tokens, .llamaCpp, ""), (.logprobs, .llamaCpp, ""),
    ])
    func asksForTheFieldsOfTheEngine(goal: CaptureGoal, profile: EngineProfile, fields: String) throws {
        let prepared = try prepareResponse("{}", profile: profile) { $0.goal = goal }
        #expect(prepared.bodyText == "{\(fields)}")
        #expect(prepared.injection.isEmpty == fields.isEmpty)
        if !fields.isEmpty { #expect(prepared.injection.logprobs == .included) }
    }

    @Test func eachLimitRemovesOneField() throws {
        var injectionLimits = InjectionLimits()
        injectionLimits.tokenIDs = false
        #expect(try prepareResponse("{}", injectionLimits: injectionLimits).bodyText == "{\(Self.on)}")
        injectionLimits = InjectionLimits()
        injectionLimits.logprobs = false
        #expect(try prepareResponse("{}", injectionLimits: injectionLimits).bodyText == "{\(Self.ids)}")
        injectionLimits = InjectionLimits()
        injectionLimits.maximumTopLogprobs = 2
        #expect(
            try prepareResponse("{}", injectionLimits: injectionLimits).bodyText
                == #"{"include":[\#(Self.member)],"top_logprobs":2,\#(Self.ids)}"#)
        #expect(try prepareResponse(#"{"a":1}"#, injectionLimits: .nothing).bodyText == #"{"a":1}"#)
    }

    @Test(arguments: [
        (#"{}"#, ["include=-", "top_logprobs=-", "enable_response_messages=-"]),
        (
            #"{"include":["reasoning.encrypted_content"],"top_logprobs":null,"enable_response_messages":false}"#,
            [#"include=["reasoning.encrypted_content"]"#, "top_logprobs=null", "enable_response_messages=false"]
        ),
        (#"{"include":[],"top_logprobs":2}"#, ["include=[]", "enable_response_messages=-"]),
    ])
    func clientFieldsHoldTheAgentsValues(body: String, expected: [String]) throws {
        #expect(try prepareResponse(body).clientFieldTexts == expected)
    }

    // MARK: Policy

    @Test func policyIsApplied() throws {
        let prepared = try prepareResponse(
            #"{"model":"a","max_output_tokens":4096,"max_tokens":4096,"temperature":0.2,"stream":true,"tools":[{}]}"#
        ) {
            $0.goal = .text
            $0.maxTokensCap = 512
            $0.modelOverride = "b"
            $0.sampling = [("temperature", Array("1.0".utf8))]
            $0.disablesThinking = true
        }
        #expect(
            prepared.bodyText
                == #"{"model":"b","max_output_tokens":512,"max_tokens":512,"temperature":1.0,"stream":true,"tools":[{}]}"#
        )
        #expect(prepared.isStream && prepared.hasTools && prepared.model == "b")
        #expect(
            prepared.clientFieldTexts == [
                "temperature=0.2", #"model="a""#, "max_tokens=4096", "max_output_tokens=4096",
            ])
    }

    @Test func policyIsAppliedToBackgroundRequests() throws {
        let prepared = try prepareResponse(#"{"background":true,"max_output_tokens":9}"#) { $0.maxTokensCap = 5 }
        #expect(prepared.bodyText == #"{"background":true,"max_output_tokens":5}"#)
    }

    @Test func captureOffChangesNothing() throws {
        let body = #"{"model":"a","max_output_tokens":4096}"#
        let prepared = try prepareResponse(body) {
            $0.goal = .off
            $0.maxTokensCap = 1
            $0.modelOverride = "b"
        }
        #expect(prepared.bodyText == body)
    }

    @Test func requestCanBePreparedAgain() throws {
        let request = try APIRegistry.request(to: .responses, body: Array(#"{"a":1}"#.utf8))
        let first = request.prepared(policy: RequestPolicy(), profile: .generic, injectionLimits: InjectionLimits())
        let second = request.prepared(policy: RequestPolicy(), profile: .llamaCpp, injectionLimits: .nothing)
        #expect(first.bodyText == #"{"a":1,\#(Self.on),\#(Self.ids)}"#)
        #expect(second.bodyText == #"{"a":1}"#)
    }
}
