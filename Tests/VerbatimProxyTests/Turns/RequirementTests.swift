import VerbatimTesting
import VerbatimProxy
import TestSupport
import Testing
import VerbatimAPI

/// `--require-capture`: what happens to turns that are captured below the required level.
@Suite("Required capture level", .onOwnThreads, .timeLimit(.minutes(2))) struct RequirementTests {
    private static func refusing(_ refusal: ScriptedChat.InjectionRejection) -> MockEngine.Script {
        var chat = CaptureScript.chat(.openai)
        chat.refuses = refusal
        return chat.serve
    }

    private func health(of proxy: CaptureProxy) async throws -> String {
        try await get(port: proxy.server.port, path: "/healthz").bodyText
    }

    @Test(
        "If the engine rejects what is required, the agent gets a 422 with the reason, and later turns are not forwarded",
        arguments: [false, true], [CaptureRequirement.tokens, .logprobs])
    func rejectedLogprobs(stream: Bool, requirement: CaptureRequirement) async throws {
        let require: (inout ProxySettings) -> Void = {
            $0.policy.requirement = requirement
            $0.engine = .openAI
        }
        try await CaptureProxy.run(Self.refusing(.logprobs), require) { proxy in
            let request = CaptureRequest(stream: stream)
            for turn in 1...2 {
                let response = try await proxy.ask(request.body)
                #expect(response.status == 422)
                let error = try OpenAIError(response.body)
                #expect(error.code == "capture_unavailable")
                #expect(error.message.contains("--require-capture") && error.message.contains(requirement.rawValue))
                #expect(error.message.contains("openai"))
                // OpenAI is known to give no ids. Log-probabilities it rejects before it generates.
                #expect(proxy.forwarded.count == (requirement == .tokens ? 0 : turn))
                #expect(error.message.contains("it replied: ") == (requirement == .logprobs))
                let record = try #require(try proxy.records().last)
                #expect(record["outcome"] == #""refused""# && record["status"] == "422")
                #expect(record["response", "upstream_error", "code"] == #""capture_unavailable""#)
                #expect(record["turn"] == "\(turn)" && record["capture", "complete"] == "false")
            }
            let health = try await health(of: proxy)
            #expect(
                health.hasPrefix(#"{"status":"degraded","reason":"turn 2 of session default (chat.completions) was"#))
            #expect(health.hasSuffix(#""violations":0,"refused":2}"#))
        }
    }

    @Test("A turn that meets the requirement completes, whatever else the engine rejects", arguments: [false, true])
    func enough(stream: Bool) async throws {
        let require: (inout ProxySettings) -> Void = { $0.policy.requirement = .logprobs }
        try await CaptureProxy.run(Self.refusing(.none), require) { proxy in
            #expect(try await proxy.ask(CaptureRequest(stream: stream).body).status == 200)
            let told = try await health(of: proxy)
            #expect(told == #"{"status":"ok"}"#)
            let record = try proxy.records().last
            #expect(record?["outcome"] == #""completed""#)
        }
    }

    /// Such an engine shows only afterwards: the agent has its reply, and the operator a violation.
    @Test("After two turns in a row whose injection the engine ignored, the next one is refused") func ignored()
        async throws
    {
        let reply =
            #"{"id":"c","choices":[{"index":0,"message":{"role":"assistant","content":"Hi"},"finish_reason":"stop"}],"usage":{"completion_tokens":1}}"#
        let script: MockEngine.Script = { exchange in
            try await exchange.respond(
                status: 200, reason: "OK", headers: [("Content-Type", "application/json")], body: reply)
        }
        try await CaptureProxy.run(script, { $0.policy.requirement = .tokens }) { proxy in
            let response = try await proxy.ask(CaptureRequest().body)
            #expect(response.status == 200 && response.bodyText == reply)
            let record = try #require(try proxy.records().last)
            #expect(record.capture == "text no_token_data below_requirement")
            #expect(record["outcome"] == #""completed""#)
            let told = try await health(of: proxy)
            let whose = #"{"session":"default","dialect":"chat.completions","model":"mock/scripted-1","stream":false,"#
            #expect(told.contains(#""sessions":[\#(whose)"violations":1,"refused":0,"last_turn":1}]"#))
            #expect(told.hasSuffix(#"],"violations":1,"refused":0}"#))
            #expect(try await proxy.ask(CaptureRequest().body).status == 200)
            #expect(try await proxy.ask(CaptureRequest().body).status == 422)
            #expect(proxy.forwarded.count == 2)
            // Another kind of request is still tried.
            #expect(try await proxy.ask(CaptureRequest(stream: true).body).status == 200)
        }
    }

    @Test("An error of the engine does not violate the requirement") func errorsAreNoViolations() async throws {
        let script: MockEngine.Script = { exchange in
            try await exchange.respond(status: 429, reason: "Slow Down", body: #"{"error":{"message":"later"}}"#)
        }
        try await CaptureProxy.run(script, { $0.policy.requirement = .tokens }) { proxy in
            #expect(try await proxy.ask(CaptureRequest().body).status == 429)
            let told = try await health(of: proxy)
            #expect(told == #"{"status":"ok"}"#)
        }
    }

    /// Anthropic's API never gives token data.
    @Test("A refused messages request gets an error in Anthropic's form") func messagesAreRefused() async throws {
        try await CaptureProxy.run(Self.refusing(.none), { $0.policy.requirement = .logprobs }) { proxy in
            let response = try await post(
                port: proxy.server.port, path: "/v1/messages", body: #"{"model":"m","messages":[],"max_tokens":1}"#)
            #expect(response.status == 422)
            #expect(response.bodyText.hasPrefix(#"{"type":"error","error":{"type":"invalid_request_error","message":"#))
            #expect(proxy.forwarded.isEmpty)
        }
    }
}
