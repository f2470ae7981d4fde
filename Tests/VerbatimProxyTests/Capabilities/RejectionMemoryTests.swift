import NIOCore
import TestSupport
import Testing
import VerbatimAPI
import VerbatimHTTP
import VerbatimProxy
import VerbatimTesting

/// Errors that are not rejections, and how long and for which requests a rejection is remembered.
@Suite("Remembered rejections", .onOwnThreads, .timeLimit(.minutes(2))) struct RejectionMemoryTests {
    private static func error(_ message: String) -> String { #"{"error":{"message":"\#(message)","code":null}}"# }

    static let otherErrors: [(Int, String)] =
        [401, 404, 408, 409, 413, 429, 502, 503, 504].map {
            ($0, error("logprobs and return_token_ids are not supported"))
        } + [
            (500, error("CUDA out of memory")), (500, "Internal Server Error"), (501, error("not implemented")),
            (400, error("tools: [] is too short")),
            (400, error("Stream options can only be defined when `stream=True`.")),
            (400, error("This model's maximum context length is 4096 tokens.")),
            (400, error("`prompt_logprobs` are not available when `stream=True`.")),
            (422, error("messages: field required")), (403, error("Your key has no access to this model")),
            (400, ""),
        ]

    @Test("An error that is not a rejection goes to the agent, without a retry", arguments: otherErrors, [false, true])
    func otherErrorsGoToTheAgent(error: (status: Int, body: String), stream: Bool) async throws {
        let script: MockEngine.Script = { exchange in
            try await exchange.respond(
                status: error.status, reason: "As Sent", headers: [("X-Request-Id", "r1"), ("Retry-After", "1")],
                body: error.body)
        }
        try await CaptureProxy.run(script) { proxy in
            let request = CaptureRequest(stream: stream)
            let direct = try await proxy.askDirectly(request.body)
            for turn in 1...2 {
                let response = try await proxy.ask(request.body)
                expectSame(response, direct, inChunks: false, "\(error)")
                #expect(proxy.forwarded.count == 1 + turn)
            }
            let record = try #require(try proxy.records().last)
            #expect(record["outcome"] == #""upstream_error""# && record["status"] == "\(error.status)")
            #expect(record["response", "upstream_status"] == "\(error.status)")
            #expect(record["response", "upstream_error"]?.hasPrefix(#"{"error":"#) ?? false)
            #expect(record["response", "choices"] == "[]" && record["response", "usage"] == "null")
            #expect(record["completion_token_ids"] == "[]" && record["capture", "complete"] == "false")
        }
    }

    /// A NaN makes vLLM fail without mentioning log-probabilities.
    @Test(
        "If the operator wants it, turns inject again after one failed with 500 and was retried without",
        arguments: [false, true])
    func serverErrors(retries: Bool) async throws {
        let chat = CaptureScript.chat(.vllm)
        let script: MockEngine.Script = { exchange in
            if exchange.request.bodyText.contains("\"logprobs\"") {
                return try await exchange.respond(
                    status: 500, reason: "Internal Server Error", body: Self.error("Out of range float values"))
            }
            try await chat.serve(exchange)
        }
        try await CaptureProxy.run(script, { $0.policy.retriesServerErrors = retries }) { proxy in
            for turn in 1...2 {
                let response = try await proxy.ask(CaptureRequest().body)
                #expect(response.status == 200)
                #expect(proxy.forwarded.count == (retries ? 2 * turn : 1 + turn))
                let record = try #require(try proxy.records().last)
                #expect(record["outcome"] == #""completed""#)
                let problem = retries ? "repeated_after_error" : "logprobs_refused"
                #expect(record.capture == "text no_token_data \(problem)")
            }
        }
    }

    @Test("An error that opens a stream and is not about the injection goes to the agent") func otherErrorEvents()
        async throws
    {
        let event = #"{"error": {"message": "the prompt is too long", "type": "BadRequestError", "code": 400}}"#
        let script: MockEngine.Script = { exchange in
            try await exchange.startEventStream()
            try await exchange.sendEvent(event)
            try await exchange.sendEvent("[DONE]")
            try await exchange.finishStream()
        }
        try await CaptureProxy.run(script) { proxy in
            let request = CaptureRequest(stream: true)
            let direct = try await proxy.askDirectly(request.body)
            for turn in 1...2 {
                expectSame(try await proxy.ask(request.body), direct, inChunks: true, "error event")
                // The first is repeated, since no such turn has succeeded yet, and the repeat fails as well.
                #expect(proxy.forwarded.count == 2 + turn)
            }
            for record in try proxy.records() {
                #expect(record["outcome"] == #""upstream_error""# && record["status"] == "200")
                #expect(record["response", "upstream_error", "message"] == #""the prompt is too long""#)
                #expect(record["response", "choices"] == "[]" && record["capture", "complete"] == "false")
            }
        }
    }

    /// Expects a turn to send that many requests to the engine.
    private func expect(
        _ count: Int, requestsFor request: CaptureRequest, _ proxy: CaptureProxy,
        sourceLocation: SourceLocation = #_sourceLocation
    ) async throws {
        let before = proxy.forwarded.count
        let response = try await proxy.ask(request.body)
        #expect(response.status == 200, sourceLocation: sourceLocation)
        #expect(proxy.forwarded.count - before == count, sourceLocation: sourceLocation)
    }

    @Test("A rejection holds for the same model, streaming and tools") func rejectionsHoldForAKey() async throws {
        try await CaptureProxy.run(CaptureScript.chat(.openai).serve) { proxy in
            let variants = [
                CaptureRequest(), CaptureRequest(model: "other"), CaptureRequest(stream: true),
                CaptureRequest(tools: true), CaptureRequest(stream: true, tools: true),
                CaptureRequest(model: "other", stream: true),
            ]
            for request in variants { try await expect(2, requestsFor: request, proxy) }
            for request in variants { try await expect(1, requestsFor: request, proxy) }
            // An empty list means no tools, and other parameters do not matter.
            try await expect(1, requestsFor: CaptureRequest(more: #", "tools": []"#), proxy)
            try await expect(1, requestsFor: CaptureRequest(usage: true, n: 2, more: #", "seed": 1"#), proxy)
        }
    }

    @Test("A rejection expires") func rejectionsExpire() async throws {
        let clock = ManualClock()
        try await CaptureProxy.run(CaptureScript.chat(.openai).serve, clock: HTTPClock(clock)) {
            $0.verdictLifetime = .minutes(10)
        } _: { proxy in
            try await expect(2, requestsFor: CaptureRequest(), proxy)
            try await clock.advance(by: .minutes(10))
            try await expect(2, requestsFor: CaptureRequest(), proxy)
        }
    }

    @Test("A turn whose agent requests the data itself does not show whether the injection is accepted")
    func dataThatTheAgentRequests() async throws {
        var chat = CaptureScript.chat(.vllm)
        chat.maxLogprobs = 3
        try await CaptureProxy.run(chat.serve) { proxy in
            var request = CaptureRequest(stream: true, asksLogprobs: true, asksIDs: true)
            try await expect(1, requestsFor: request, proxy)
            request.asksIDs = false
            try await expect(1, requestsFor: request, proxy)
            request.asksLogprobs = false
            // Too many alternatives are rejected in the stream itself, which is too late once the agent has a head.
            let direct = try await proxy.askDirectly(request.body)
            expectSame(try await proxy.ask(request.body), direct, inChunks: true, "first of its kind")
            #expect(
                proxy.forwarded.suffix(2).map(RejectionRetryTests.injected) == ["logprobs:5 ids", "logprobs:3 ids"])
            try await expect(1, requestsFor: request, proxy)
        }
    }

    @Test("An engine that begins to reject what it accepted is noticed", arguments: [false, true])
    func anEngineBeginsToReject(asStream: Bool) async throws {
        let refuses = Monitor(false)
        let refusal = Self.error("logprobs is not supported with this model")
        let script: MockEngine.Script = { exchange in
            guard refuses.state, exchange.request.bodyText.contains("logprobs") else {
                return try await CaptureScript.chat(.vllm).serve(exchange)
            }
            guard asStream else {
                return try await exchange.respond(status: 400, reason: "Bad Request", body: refusal)
            }
            try await exchange.startEventStream()
            try await exchange.sendEvent(refusal)
            try await exchange.sendEvent("[DONE]")
            try await exchange.finishStream()
        }
        try await CaptureProxy.run(script) { proxy in
            let request = CaptureRequest(stream: true)
            try await expect(1, requestsFor: request, proxy)
            refuses.update { $0 = true }
            // The head of a stream is out by the time its first event comes: that one turn is lost.
            try await expect(asStream ? 1 : 2, requestsFor: request, proxy)
            for _ in 1...2 { try await expect(1, requestsFor: request, proxy) }
            let outcomes = try proxy.records().map { $0["outcome"] ?? "" }
            #expect(outcomes == (0..<4).map { asStream && $0 == 1 ? #""upstream_error""# : #""completed""# })
        }
    }

    @Test(
        "An engine that its list of models identifies is asked only for what it knows",
        arguments: [
            (ScriptedChat.Flavor.vllm, "vllm", "logprobs:5 ids"), (.llamacpp, "llamacpp", "logprobs:5"),
        ])
    func theModelListIdentifiesTheEngine(flavor: ScriptedChat.Flavor, name: String, injected: String) async throws {
        try await CaptureProxy.run(CaptureScript.chat(flavor).serve) { proxy in
            let direct = try await get(port: proxy.engine.port, path: "/v1/models")
            expectSame(try await get(port: proxy.server.port, path: "/v1/models"), direct, inChunks: true, "models")
            _ = try await proxy.ask(CaptureRequest().body)
            #expect(proxy.forwarded.dropFirst(2).map(RejectionRetryTests.injected) == [injected])
            #expect(try proxy.records().map { $0["engine"] } == ["\"\(name)\""])
        }
    }

    /// The last attempt of the first turn has no injection.
    @Test("After two rejections in one turn, the next turn tries what is left", arguments: [false, true])
    func theNextTurnTriesWhatIsLeft(stream: Bool) async throws {
        var chat = CaptureScript.chat(.vllm)
        chat.refuses = .tokenIDs
        chat.maxLogprobs = 3
        try await CaptureProxy.run(chat.serve) { proxy in
            let request = CaptureRequest(stream: stream)
            let direct = try await proxy.askDirectly(request.body)
            for _ in 1...3 { expectSame(try await proxy.ask(request.body), direct, inChunks: true, "two refusals") }
            #expect(
                proxy.forwarded.dropFirst().map(RejectionRetryTests.injected)
                    == ["logprobs:5 ids", "logprobs:3 ids", "", "logprobs:3", "logprobs:3"])
            #expect(
                try proxy.records().map(\.capture) == [
                    "text no_token_data logprobs_refused",
                    "logprobs complete token_ids_refused top_logprobs_lowered",
                    "logprobs complete token_ids_refused top_logprobs_lowered",
                ])
        }
    }

    /// Builds before the common error form: another status, and no mark of llama.cpp but the message.
    @Test("An old llama.cpp server is recognized by its rejection and asked by its own field name")
    func anOldLlamaServer() async throws {
        let script: MockEngine.Script = { exchange in
            let answer = CaptureScript.chat(.llamacpp).answer(exchange.request)
            switch answer {
            case .whole(_, _, _, let body):
                try await exchange.respond(
                    status: 500, reason: "Internal Server Error",
                    body: body.replacing(#""code":400"#, with: #""code":500"#))
            case .stream(_, let events):
                try await exchange.startEventStream()
                for event in events { try await exchange.sendEvent(event) }
                try await exchange.finishStream()
            }
        }
        try await CaptureProxy.run(script) { proxy in
            let request = CaptureRequest(stream: true, tools: true, usage: true)
            let direct = try await proxy.askDirectly(request.body)
            for _ in 1...2 { expectSame(try await proxy.ask(request.body), direct, inChunks: true, "old llama.cpp") }
            #expect(
                proxy.forwarded.dropFirst().map(RejectionRetryTests.injected) == [
                    "logprobs:5 ids", "n_probs:5", "n_probs:5",
                ])
            #expect(try proxy.records().map { $0["engine"] } == [#""llamacpp""#, #""llamacpp""#])
        }
    }
}
