import TestSupport
import Testing
import VerbatimAPI
import VerbatimSchema

/// The injection into a request, byte for byte.
@Suite struct ChatRequestInjectionTests {
    static let on = #""logprobs":true,"top_logprobs":5"#
    /// The fields that make llama.cpp list all ids of a body.
    static let allTokens = #""verbose":true,"return_tokens":true"#
    static let ids = #""return_token_ids":true"#

    @Test(arguments: [
        (#"{}"#, "{\(on),\(ids)}"),
        (#"{ }"#, "{\(on),\(ids) }"),
        (#"{"model":"m"}"#, #"{"model":"m",\#(on),\#(ids)}"#),
        ("{\r\n\t\"model\" : \"m\"\r\n}\r\n ", "{\r\n\t\"model\" : \"m\",\(on),\(ids)\r\n}\r\n "),
        (" \n{\"a\":1.0 , \"b\":[ 1e-5 ]}", " \n{\"a\":1.0 , \"b\":[ 1e-5 ],\(on),\(ids)}"),
        // Existing fields are changed in place.
        (#"{"logprobs":false,"n":1}"#, #"{"logprobs":true,"n":1,"top_logprobs":5,\#(ids)}"#),
        (#"{"logprobs": null }"#, #"{"logprobs": true,"top_logprobs":5,\#(ids) }"#),
        (#"{"top_logprobs":null,"logprobs":null}"#, #"{"top_logprobs":5,"logprobs":true,\#(ids)}"#),
        (#"{"return_token_ids":false}"#, #"{"return_token_ids":true,\#(on)}"#),
        (#"{"return_token_ids":null}"#, #"{"return_token_ids":true,\#(on)}"#),
        // Keys are compared without their escapes. The last of duplicate keys counts.
        (#"{"log\u0070robs":false}"#, #"{"log\u0070robs":true,"top_logprobs":5,\#(ids)}"#),
        (#"{"\u006c\u006F\u0067probs":true}"#, #"{"\u006c\u006F\u0067probs":true,\#(ids)}"#),
        (
            #"{"logprobs":true,"logprobs":false}"#,
            #"{"logprobs":true,"logprobs":true,"top_logprobs":5,\#(ids)}"#
        ),
        (#"{"logprobs":false,"logprobs":true}"#, #"{"logprobs":false,"logprobs":true,\#(ids)}"#),
        (
            #"{"top_logprobs":2,"top_\u006cogprobs":null}"#,
            #"{"top_logprobs":2,"top_\u006cogprobs":5,"logprobs":true,\#(ids)}"#
        ),
        // The agent has set the field itself.
        (#"{"logprobs":true}"#, #"{"logprobs":true,\#(ids)}"#),
        (#"{"logprobs":true,"top_logprobs":50}"#, #"{"logprobs":true,"top_logprobs":50,\#(ids)}"#),
        (#"{"logprobs":true,"top_logprobs":0}"#, #"{"logprobs":true,"top_logprobs":0,\#(ids)}"#),
        (#"{"return_token_ids":true}"#, #"{"return_token_ids":true,\#(on)}"#),
        // Similar names, and fields that are not at the top level.
        (#"{"x":{"logprobs":true},"y":"logprobs"}"#, #"{"x":{"logprobs":true},"y":"logprobs",\#(on),\#(ids)}"#),
    ])
    func injectsTheExpectedFields(body: String, expected: String) throws {
        let prepared = try prepare(body)
        #expect(prepared.bodyText == expected)
        #expect(try decoded(prepared.body) == decoded(expected))
    }

    @Test(arguments: [
        #"{"logprobs":true,"top_logprobs":3,"return_token_ids":true}"#,
        // Errors of the agent, which the engine refuses itself.
        #"{"top_logprobs":5}"#, #"{"top_logprobs":0}"#, #"{"top_logprobs":"5"}"#,
        #"{"logprobs":false,"top_logprobs":2}"#,
        #"{"logprobs":null,"top_logprobs":2}"#, #"{"logprobs":1}"#, #"{"logprobs":"true"}"#, #"{"logprobs":[]}"#,
        #"{"logprobs":{"a":1},"top_logprobs":5}"#,
    ])
    func leavesTheBodyUnchanged(body: String) throws {
        let prepared = try prepare(" \(body)\n")
        #expect(prepared.bodyText == " \(body)\n")
        #expect(prepared.injection.isEmpty)
        #expect(prepared.clientFields.isEmpty)
    }

    @Test(arguments: [
        (CaptureGoal.tokens, EngineProfile.vllm, "\(on),\(ids)"), (.tokens, .generic, "\(on),\(ids)"),
        (.tokens, .openAI, on), (.tokens, .llamaCpp, "\(on),\(allTokens)"), (.logprobs, .vllm, on),
        (.logprobs, .generic, on),
        (.logprobs, .llamaCpp, on), (.logprobs, .openAI, on),
    ])
    func asksForTheFieldsOfTheEngine(goal: CaptureGoal, profile: EngineProfile, fields: String) throws {
        #expect(try prepare("{}", profile: profile) { $0.goal = goal }.bodyText == "{\(fields)}")
    }

    @Test(arguments: [CaptureGoal.text, .off], EngineProfile.all + [.generic])
    func injectsNothing(goal: CaptureGoal, profile: EngineProfile) throws {
        let prepared = try prepare(#"{"stream" : true}"#, profile: profile) { $0.goal = goal }
        #expect(prepared.bodyText == #"{"stream" : true}"#)
        #expect(prepared.injection.isEmpty && prepared.clientFields.isEmpty)
        #expect(prepared.isStream)
    }

    // MARK: llama.cpp

    @Test func llamaCppIsAskedForAtLeastOneAlternative() throws {
        #expect(
            try prepare("{}", profile: .llamaCpp) { $0.topLogprobs = 0 }.bodyText
                == #"{"logprobs":true,"top_logprobs":1,\#(Self.allTokens)}"#)
        #expect(
            try prepare("{}", profile: .vllm) { $0.topLogprobs = 0 }.bodyText
                == #"{"logprobs":true,"top_logprobs":0,\#(Self.ids)}"#)
    }

    @Test(arguments: [
        (#""stream":true,"tools":[{}]"#, #""n_probs":5"#), (#""stream":true,"tools":[]"#, on),
        (#""stream":true,"tools":null"#, on), (#""stream":false,"tools":[{}]"#, "\(on),\(allTokens)"),
        (#""tools":[{}]"#, "\(on),\(allTokens)"),
        (#""stream":true"#, on), (#""\u0073tream":true,"t\u006fols":[ 1 ]"#, #""n_probs":5"#),
    ])
    func llamaCppToolStreamsUseNProbs(fields: String, added: String) throws {
        let prepared = try prepare("{\(fields)}", profile: .llamaCpp)
        #expect(prepared.bodyText == "{\(fields),\(added)}")
        #expect((prepared.injection.logprobs == .nProbs) == added.contains("n_probs"))
        #expect(prepared.injection.topLogprobs == 5)
        #expect(prepared.hasTools == fields.contains(#"[{}]"#) || fields.contains("[ 1 ]"))
        // Other engines have no such field.
        #expect(try prepare("{\(fields)}", profile: .vllm).bodyText == "{\(fields),\(Self.on),\(Self.ids)}")
    }

    @Test func llamaCppKeepsNProbsOfTheAgent() throws {
        let body = #"{"n_probs":2,"stream":true,"tools":[{}]}"#
        #expect(try prepare(body, profile: .llamaCpp).bodyText == body)
        let own = #"{"logprobs":true,"stream":true,"tools":[{}]}"#
        #expect(try prepare(own, profile: .llamaCpp).bodyText == own)
    }

    // MARK: Limits

    @Test(arguments: [EngineProfile.vllm, .generic, .llamaCpp, .openAI])
    func limitsThatAllowNothingPreventInjection(profile: EngineProfile) throws {
        let prepared = try prepare(#"{"a":1}"#, profile: profile, injectionLimits: .nothing)
        #expect(prepared.bodyText == #"{"a":1}"#)
        #expect(prepared.injection.isEmpty)
    }

    @Test func eachLimitRemovesOneField() throws {
        var injectionLimits = InjectionLimits()
        injectionLimits.tokenIDs = false
        #expect(try prepare("{}", injectionLimits: injectionLimits).bodyText == "{\(Self.on)}")
        injectionLimits = InjectionLimits()
        injectionLimits.logprobs = false
        #expect(try prepare("{}", injectionLimits: injectionLimits).bodyText == "{\(Self.ids)}")
        injectionLimits = InjectionLimits()
        injectionLimits.maximumTopLogprobs = 2
        #expect(
            try prepare("{}", injectionLimits: injectionLimits).bodyText
                == #"{"logprobs":true,"top_logprobs":2,\#(Self.ids)}"#)
        injectionLimits.maximumTopLogprobs = 20
        #expect(try prepare("{}", injectionLimits: injectionLimits).bodyText == "{\(Self.on),\(Self.ids)}")
        injectionLimits.maximumTopLogprobs = 0
        #expect(
            try prepare("{}", injectionLimits: injectionLimits).bodyText
                == #"{"logprobs":true,"top_logprobs":0,\#(Self.ids)}"#)
    }

    @Test func limitsNameTheirProblemCodes() {
        var injectionLimits = InjectionLimits()
        #expect(injectionLimits.problems == [])
        injectionLimits.tokenIDs = false
        injectionLimits.maximumTopLogprobs = 1
        #expect(injectionLimits.problems == ["token_ids_refused", "top_logprobs_lowered"])
        #expect(InjectionLimits.nothing.problems == ["logprobs_refused"])
    }

    @Test func requestCanBePreparedAgain() throws {
        let request = try APIRegistry.request(to: .chatCompletions, body: Array(#"{"a":1}"#.utf8))
        let policy = RequestPolicy()
        let first = request.prepared(policy: policy, profile: .generic, injectionLimits: InjectionLimits())
        let second = request.prepared(policy: policy, profile: .llamaCpp, injectionLimits: .nothing)
        #expect(first.bodyText == #"{"a":1,\#(Self.on),\#(Self.ids)}"#)
        #expect(second.bodyText == #"{"a":1}"#)
    }

    // MARK: Client fields

    @Test(arguments: [
        (#"{}"#, ["logprobs=-", "top_logprobs=-", "return_token_ids=-"]),
        (#"{"logprobs": null}"#, ["logprobs=null", "top_logprobs=-", "return_token_ids=-"]),
        (#"{"logprobs":false,"logprobs":true}"#, ["return_token_ids=-"]),
        (#"{"logprobs":true,"return_token_ids":true}"#, []),
        (
            #"{"return_token_ids":false,"top_logprobs":null,"log\u0070robs":false}"#,
            ["logprobs=false", "top_logprobs=null", "return_token_ids=false"]
        ),
    ])
    func clientFieldsHoldTheAgentsValues(body: String, expected: [String]) throws {
        #expect(try prepare(body).clientFieldTexts == expected)
    }
}
