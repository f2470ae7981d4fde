import VerbatimJSON
import VerbatimTesting
import VerbatimProxy
import TestSupport
import Testing
import VerbatimAPI

/// What an engine rejects is left out in a retry, before the agent has got a byte.
@Suite("Retries after a rejection", .onOwnThreads, .timeLimit(.minutes(2))) struct RejectionRetryTests {
    /// What a scripted engine rejects, and what each attempt injects.
    struct Case: Sendable, CustomStringConvertible {
        let name: String
        let chat: ScriptedChat
        var profile: EngineProfile?
        var request = CaptureRequest()
        /// What each attempt of the first turn injects.
        let attempts: [String]
        let problem: String

        var description: String { "\(name), \(request.stream ? "stream" : "unary")" }
    }

    private static func chat(
        _ flavor: ScriptedChat.Flavor, refusing refusal: ScriptedChat.InjectionRejection = .none, most: Int = 20
    ) -> ScriptedChat {
        var chat = CaptureScript.chat(flavor)
        chat.refuses = refusal
        chat.maxLogprobs = most
        return chat
    }

    static let cases: [Case] = [false, true].flatMap { stream in
        let request = CaptureRequest(stream: stream, usage: stream)
        let toolRequest = CaptureRequest(stream: stream, tools: true)
        let ids = "logprobs:5 ids"
        return [
            Case(
                name: "OpenAI knows no ids", chat: chat(.openai), request: request, attempts: [ids, "logprobs:5"],
                problem: "token_ids_refused"),
            Case(
                name: "vLLM without ids", chat: chat(.vllm, refusing: .tokenIDs), request: request,
                attempts: [ids, "logprobs:5"], problem: "token_ids_refused"),
            Case(
                name: "vLLM without log-probabilities", chat: chat(.vllm, refusing: .logprobs), request: request,
                attempts: [ids, ""], problem: "logprobs_refused"),
            Case(
                name: "vLLM, forbidden", chat: chat(.vllm, refusing: .logprobsForbidden), profile: .vllm,
                request: request, attempts: [ids, ""], problem: "logprobs_refused"),
            Case(
                name: "OpenAI, reasoning model", chat: chat(.openai, refusing: .logprobs), profile: .openAI,
                request: request, attempts: ["logprobs:5", ""], problem: "logprobs_refused"),
            Case(
                name: "OpenAI, forbidden, unknown", chat: chat(.openai, refusing: .logprobsForbidden),
                request: request, attempts: [ids, "logprobs:5", ""], problem: "logprobs_refused"),
            Case(
                name: "llama.cpp, forbidden", chat: chat(.llamacpp, refusing: .logprobsForbidden),
                profile: .llamaCpp, request: request, attempts: ["logprobs:5", ""], problem: "logprobs_refused"),
            Case(
                name: "vLLM with few alternatives", chat: chat(.vllm, most: 3), request: request,
                attempts: [ids, "logprobs:3 ids"], problem: "top_logprobs_lowered"),
            Case(
                name: "vLLM with no alternatives", chat: chat(.vllm, most: 0), request: toolRequest,
                attempts: [ids, "logprobs:0 ids"], problem: "top_logprobs_lowered"),
            Case(
                name: "OpenAI with few alternatives", chat: chat(.openai, most: 2), profile: .openAI,
                request: request, attempts: ["logprobs:5", "logprobs:2"], problem: "top_logprobs_lowered"),
            Case(
                name: "llama.cpp with tools", chat: chat(.llamacpp), profile: stream ? nil : .llamaCpp,
                request: toolRequest, attempts: stream ? [ids, "n_probs:5"] : ["logprobs:5"], problem: ""),
        ]
    }

    /// What a request asks for, such as `logprobs:5 ids`.
    static func injected(_ body: String) -> String {
        let record = CaptureRecord(line: Array(body.utf8))
        var words: [String] = []
        if record["logprobs"] == "true" { words.append("logprobs:\(record["top_logprobs"] ?? "?")") }
        if let count = record["n_probs"] { words.append("n_probs:\(count)") }
        if record["return_token_ids"] == "true" { words.append("ids") }
        return words.joined(separator: " ")
    }

    @Test("A rejected request is retried without what was rejected, and so are later turns", arguments: cases)
    func isRetriedWithLess(example: Case) async throws {
        try await CaptureProxy.run(example.chat.serve) {
            $0.engine = example.profile
        } _: { proxy in
            let direct = try await proxy.askDirectly(example.request.body)
            #expect(direct.status == 200)
            expectSame(try await proxy.ask(example.request.body), direct, inChunks: true, "\(example)")
            #expect(proxy.forwarded.dropFirst().map(Self.injected) == example.attempts)
            // The rejection is remembered: from now on each turn is one request.
            for turn in 1...2 {
                expectSame(try await proxy.ask(example.request.body), direct, inChunks: true, "\(example)")
                #expect(proxy.forwarded.count == 1 + example.attempts.count + turn)
                #expect(proxy.forwarded.last.map(Self.injected) == example.attempts.last)
            }
            // Without an injection the request goes out as it came.
            if example.attempts.last == "" { #expect(proxy.forwarded.last == example.request.body) }
            let records = try proxy.records()
            #expect(records.count == 3)
            for record in records {
                let problems = try #require(record["capture", "problems"])
                for problem in ["token_ids_refused", "logprobs_refused", "top_logprobs_lowered"] {
                    #expect(problems.contains(problem) == (problem == example.problem), "\(example): \(problems)")
                }
                let hasTokens = record["per_token_logps"] != "[]"
                #expect(hasTokens == (example.attempts.last != ""), "\(example)")
                #expect(record["outcome"] == #""completed""# && record["status"] == "200")
                #expect(record["capture"] == records[0]["capture"])
            }
        }
    }

    // MARK: Replies to the retry

    private static let refusal = #"{"error":{"message":"'logprobs' is not supported with this model","code":400}}"#

    /// It is what the agent would have got without the injection.
    @Test(
        "If the retry fails as well, the agent gets its error",
        arguments: [(400, "the prompt is too long"), (429, "slow down"), (500, "out of memory")])
    func theRetryFails(status: Int, message: String) async throws {
        let script: MockEngine.Script = { exchange in
            if exchange.request.bodyText.contains("logprobs") {
                try await exchange.respond(status: 400, reason: "Bad", body: Self.refusal)
            } else {
                try await exchange.respond(
                    status: status, reason: "Very Bad", headers: [("Retry-After", "3")],
                    body: #"{"error": {"message": "\#(message)"}}"#)
            }
        }
        try await CaptureProxy.run(script) { proxy in
            let request = CaptureRequest()
            let response = try await proxy.ask(request.body)
            #expect(response.status == status && response.reason == "Very Bad")
            #expect(response.header("Retry-After") == "3")
            #expect(response.bodyText == #"{"error": {"message": "\#(message)"}}"#)
            #expect(proxy.forwarded.map(Self.injected) == ["logprobs:5 ids", ""])
            let record = try #require(try proxy.records().first)
            #expect(record["outcome"] == #""upstream_error""# && record["response", "upstream_status"] == "\(status)")
            #expect(record["response", "upstream_error", "error", "message"] == "\"\(message)\"")
            #expect(record["request"].map { !$0.contains("logprobs") } ?? false)
            #expect(record["client_fields"] == "{}")
        }
    }

    @Test("There are at most two retries, and the last one injects nothing") func atMostTwoRetries() async throws {
        let refusals = [
            "Unrecognized request argument supplied: return_token_ids", "top_logprobs must be between 0 and 3",
            "the prompt is too long", "not reached",
        ]
        let count = Monitor(0)
        let script: MockEngine.Script = { exchange in
            let index = count.update { count in
                count += 1
                return count - 1
            }
            try await exchange.respond(
                status: 400, reason: "Bad Request", body: #"{"error":{"message":"\#(refusals[min(index, 3)])"}}"#)
        }
        try await CaptureProxy.run(script) { proxy in
            let response = try await proxy.ask(CaptureRequest(stream: true).body)
            #expect(response.status == 400 && response.bodyText.contains(refusals[2]))
            // The last one must not fail because of the injection.
            #expect(proxy.forwarded.map(Self.injected) == ["logprobs:5 ids", "logprobs:5", ""])
            let record = try #require(try proxy.records().first)
            #expect(record.capture == "none logprobs_refused", "\(record)")
        }
    }

    @Test("Nothing of a rejected attempt reaches the agent, not even a head", arguments: [false, true])
    func theRejectedAttemptIsInvisible(asStream: Bool) async throws {
        let mayGoOn = Monitor(false)
        let script: MockEngine.Script = { exchange in
            if !exchange.request.bodyText.contains("logprobs") {
                await mayGoOn.wait { $0 }
                return try await CaptureScript.chat(.vllm).serve(exchange)
            }
            if asStream {
                try await exchange.startEventStream(headers: [("Content-Type", "text/event-stream"), ("X-First", "1")])
                try await exchange.sendChunk(": comment\n\n")
                try await exchange.sendEvent(Self.refusal)
                try await exchange.sendEvent("[DONE]")
                try await exchange.finishStream()
            } else {
                try await exchange.respond(
                    status: 422, reason: "Not So", headers: [("X-First", "1")], body: Self.refusal)
            }
        }
        try await CaptureProxy.run(script) { proxy in
            let request = CaptureRequest(stream: true)
            let agent = try await proxy.agent(asking: request.body)
            await proxy.engine.waitForRequests(2)
            try await proxy.catchUp()
            #expect(agent.availableCount == 0)
            mayGoOn.update { $0 = true }
            expectSame(
                try await agent.readResponse(), try await proxy.askDirectly(request.body), inChunks: true, "retry")
            await agent.close()
            let record = try #require(try proxy.records().first)
            #expect(record.capture == "text no_token_data logprobs_refused")
        }
    }

    @Test("A rejection in a stream may come without the blank line that ends an event")
    func anUnfinishedErrorEvent() async throws {
        let script: MockEngine.Script = { exchange in
            guard exchange.request.bodyText.contains("logprobs") else {
                return try await CaptureScript.chat(.vllm).serve(exchange)
            }
            try await exchange.startEventStream()
            try await exchange.sendChunk("data: " + Self.refusal)
            try await exchange.finishStream()
        }
        try await CaptureProxy.run(script) { proxy in
            let body = CaptureRequest(stream: true).body
            expectSame(try await proxy.ask(body), try await proxy.askDirectly(body), inChunks: true, "retry")
        }
    }
}
