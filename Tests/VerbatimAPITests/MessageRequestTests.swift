import TestSupport
import VerbatimSchema
import Testing
import VerbatimAPI

/// Requests for messages are changed by the policy only.
@Suite struct MessageRequestTests {
    static let claudeCode = """
        {"model":"claude-x","max_tokens":32000 ,"stream":true,"system":[{"type":"text","text":"\\u00e9é",\
        "cache_control":{"type":"ephemeral"}}],"messages":[{"role":"user","content":"hi"}], "tools":[{"name":"Bash",\
        "input_schema":{"type":"object"}}],"metadata":{"user_id":"user_1_session_2"},"temperature":1.0,"n":1e0,"a":1,"a":2}

        """

    @Test(arguments: CaptureGoal.allCases, EngineProfile.all)
    func nothingIsInjected(goal: CaptureGoal, profile: EngineProfile) throws {
        let prepared = try prepareMessage(Self.claudeCode, profile: profile) { $0.goal = goal }
        #expect(prepared.bodyText == Self.claudeCode)
        #expect(prepared.injection.isEmpty && prepared.clientFields.isEmpty)
        #expect(prepared.isStream && prepared.hasTools && prepared.model == "claude-x")
    }

    @Test(arguments: [
        (#"{"max_tokens":500}"#, #"{"max_tokens":100}"#), (#"{"max_tokens": 100 }"#, #"{"max_tokens": 100 }"#),
        (#"{"max_tokens":null}"#, #"{"max_tokens":100}"#), (#"{}"#, #"{"max_tokens":100}"#),
        // Not a field of this API, but some engine may read it.
        (#"{"max_completion_tokens":500}"#, #"{"max_completion_tokens":100,"max_tokens":100}"#),
        (#"{"model":"o1","max_tokens":5}"#, #"{"model":"o1","max_tokens":5}"#),
    ])
    func tokenLimitsAreCapped(body: String, expected: String) throws {
        let prepared = try prepareMessage(body) { policy in
            policy.maxTokensCap = 100
            policy.disablesThinking = true
        }
        #expect(prepared.bodyText == expected)
    }

    @Test func policyIsApplied() throws {
        let prepared = try prepareMessage(Self.claudeCode) {
            $0.maxTokensCap = 9
            $0.modelOverride = "m"
            $0.sampling = [("temperature", Array("0.5".utf8)), ("top_k", Array("4".utf8))]
        }
        let expected = Self.claudeCode.replacing("32000", with: "9").replacing("claude-x", with: "m")
            .replacing("1.0", with: "0.5").replacing(#""a":2}"#, with: #""a":2,"top_k":4}"#)
        #expect(prepared.bodyText == expected)
        #expect(prepared.model == "m")
        #expect(
            prepared.clientFieldTexts == ["temperature=1.0", "top_k=-", #"model="claude-x""#, "max_tokens=32000"])
        #expect(try decoded(prepared.body) == decoded(expected))
    }

    @Test func policyIsIgnoredWhenCaptureIsOff() throws {
        let prepared = try prepareMessage(Self.claudeCode) {
            $0.goal = .off
            $0.maxTokensCap = 9
            $0.modelOverride = "m"
        }
        #expect(prepared.bodyText == Self.claudeCode)
    }

    @Test(arguments: ["", "[]", "{", "null", #"{"a":}"#])
    func otherValuesThanObjectsAreRefused(body: String) {
        #expect(throws: RequestError.self) { try prepareMessage(body) }
    }
}
