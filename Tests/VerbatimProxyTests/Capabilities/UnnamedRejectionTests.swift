import NIOCore
import TestSupport
import Testing
import VerbatimAPI
import VerbatimProxy
import VerbatimTesting

/// Engines that fail on what was injected without saying so.
@Suite("Rejections without the words", .onOwnThreads, .timeLimit(.minutes(2))) struct UnnamedRejectionTests {
    /// A request of an API, and the reply to it without an injection.
    struct Ask: Sendable, CustomTestStringConvertible {
        let api: API
        let stream: Bool

        static let all = [API.chatCompletions, .completions, .responses].flatMap { api in
            [Ask(api: api, stream: false), Ask(api: api, stream: true)]
        }

        var path: String { "/v1" + api.route }
        var testDescription: String { "\(api.rawValue)\(stream ? " stream" : "")" }

        func body(_ more: String = "") -> String {
            let input =
                switch api {
                case .completions: #""prompt":"x""#
                case .responses: #""input":"x""#
                default: #""messages":[{"role":"user","content":"x"}]"#
                }
            return #"{"model":"m",\#(input),"stream":\#(stream)\#(more)}"#
        }

        func hasInjection(_ body: String) -> Bool {
            ["logprobs", "return_token_ids", "enable_response_messages"].contains { body.contains($0) }
        }

        private var events: [String] {
            switch api {
            case .completions:
                [
                    #"{"choices":[{"index":0,"text":"Hi","finish_reason":null}]}"#,
                    #"{"choices":[{"index":0,"text":"!","finish_reason":"stop"}]}"#, "[DONE]",
                ]
            case .responses:
                [
                    #"{"type":"response.created","response":{"status":"in_progress","output":[]}}"#,
                    #"{"type":"response.output_text.delta","item_id":"i","output_index":0,"content_index":0,"delta":"Hi"}"#,
                    #"{"type":"response.completed","response":\#(whole)}"#,
                ]
            default:
                [
                    #"{"choices":[{"index":0,"delta":{"role":"assistant","content":"Hi"},"finish_reason":null}]}"#,
                    #"{"choices":[{"index":0,"delta":{"content":"!"},"finish_reason":"stop"}]}"#, "[DONE]",
                ]
            }
        }

        private var whole: String {
            switch api {
            case .completions: #"{"choices":[{"index":0,"text":"Hi!","finish_reason":"stop"}]}"#
            case .responses:
                #"{"id":"r","object":"response","status":"completed","error":null,"output":[{"type":"message","role":"assistant","content":[{"type":"output_text","text":"Hi","annotations":[]}]}]}"#
            default:
                #"{"choices":[{"index":0,"message":{"role":"assistant","content":"Hi!"},"finish_reason":"stop"}]}"#
            }
        }

        func reply(_ exchange: MockExchange) async throws {
            guard stream else {
                return try await exchange.respond(
                    status: 200, reason: "OK", headers: [("Content-Type", "application/json")], body: whole)
            }
            try await exchange.startEventStream()
            for event in events { try await exchange.sendEvent(event) }
            try await exchange.finishStream()
        }

        /// The first event of a stream, which comes before anything is generated in the API `responses`.
        func begin(_ exchange: MockExchange) async throws {
            try await exchange.startEventStream()
            try await exchange.sendEvent(events[0])
        }
    }

    enum Failure: String, CaseIterable, Sendable {
        case errorBody, numericText, flatError, errorText, detail, nothing, text
        case status400, status404, status413, status414, status422, status500, status502, status503, status504
        case hangUp, hangUpAfterHead, hangUpInBody, reset
        case errorEvent, emptyStream, onlyDone

        func perform(_ exchange: MockExchange) async throws {
            func respond(_ status: Int, _ body: String) async throws {
                try await exchange.respond(
                    status: status, reason: "So So", headers: [("Content-Type", "application/json")], body: body)
            }
            switch self {
            case .errorBody: try await respond(200, #"{"error":{"message":"not for this model","code":400}}"#)
            case .numericText: try await respond(200, #"{"error":{"message":"not for this model","code":"400"}}"#)
            case .flatError: try await respond(200, #"{"object":"error","message":"not for this model","code":400}"#)
            case .errorText: try await respond(200, #"{"error":"Unexpected field"}"#)
            case .detail: try await respond(200, #"{"detail":"Unexpected field"}"#)
            case .nothing: try await respond(200, "")
            case .text: try await respond(200, "<html>Something went wrong</html>")
            case .hangUp: await exchange.close()
            case .reset: await exchange.reset()
            case .hangUpAfterHead:
                try await exchange.send("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n")
                await exchange.close()
            case .hangUpInBody:
                try await exchange.send("HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{\"choices\":")
                await exchange.close()
            case .errorEvent, .emptyStream, .onlyDone:
                try await exchange.startEventStream()
                if self == .errorEvent { try await exchange.sendEvent(#"{"error":{"message":"no","code":400}}"#) }
                if self != .emptyStream { try await exchange.sendEvent("[DONE]") }
                try await exchange.finishStream()
            default:
                try await respond(Int(rawValue.dropFirst("status".count)) ?? 0, #"{"error":{"message":"no way"}}"#)
            }
        }

        var isEvents: Bool { [.errorEvent, .emptyStream, .onlyDone].contains(self) }
    }

    private func ask(_ proxy: CaptureProxy, _ ask: Ask, session: String = "s", more: String = "") async throws
        -> RawResponse
    {
        try await post(
            port: proxy.server.port, path: ask.path,
            headers: CaptureProxy.headers + [("X-Verbatim-Session", session)], body: ask.body(more))
    }

    private func askDirectly(_ proxy: CaptureProxy, _ ask: Ask, more: String = "") async throws -> RawResponse {
        try await post(port: proxy.engine.port, path: ask.path, headers: CaptureProxy.headers, body: ask.body(more))
    }

    @Test(
        "A turn that fails is repeated without the injection, and the session's next turns have none",
        arguments: Failure.allCases, Ask.all)
    func isRepeated(failure: Failure, request: Ask) async throws {
        if failure.isEvents && !request.stream { return }
        // The parsers of the other APIs know it as no end of a stream.
        if failure == .onlyDone && request.api == .responses { return }
        let script: MockEngine.Script = { exchange in
            if request.hasInjection(exchange.request.bodyText) { return try await failure.perform(exchange) }
            try await request.reply(exchange)
        }
        try await CaptureProxy.run(script) { proxy in
            let direct = try await askDirectly(proxy, request)
            for requests in [2, 3] {
                expectSame(try await ask(proxy, request), direct, inChunks: true, "\(failure)")
                #expect(proxy.forwarded.count == 1 + requests)
            }
            let records = try proxy.records()
            #expect(records.map { $0["outcome"] } == [#""completed""#, #""completed""#])
            #expect(records.allSatisfy { $0.capture.contains("logprobs_refused") })
            #expect(records[0]["refusals"] != nil && records[1]["refusals"] == nil)
        }
    }

    @Test(
        "A failure with another cause reaches the agent as it is, is repeated once at most, and nothing is learned",
        arguments: [400, 401, 402, 403, 404, 429, 500, 502, 503, 504], Ask.all)
    func genuineErrors(status: Int, request: Ask) async throws {
        let script: MockEngine.Script = { exchange in
            try await exchange.respond(
                status: status, reason: "So So", headers: [("Content-Type", "application/json"), ("X-Id", "7")],
                body: #"{"error":{"message":"not now","code":null}}"#)
        }
        try await CaptureProxy.run(script) { proxy in
            let direct = try await askDirectly(proxy, request)
            for _ in 1...4 { expectSame(try await ask(proxy, request), direct, inChunks: true, "\(status)") }
            let isRepeated = ![401, 402, 429].contains(status)
            #expect(proxy.forwarded.count == 1 + 4 + (isRepeated ? 1 : 0))
            #expect(proxy.forwarded.last.map(request.hasInjection) == true)
            for record in try proxy.records() {
                #expect(record["outcome"] == #""upstream_error""# && record["refusals"] == nil)
                #expect(!record.capture.contains("refused"))
            }
        }
    }

    @Test("An engine that asks to wait gets no second request") func retryAfter() async throws {
        let script: MockEngine.Script = { exchange in
            try await exchange.respond(status: 503, reason: "Busy", headers: [("Retry-After", "1")], body: "busy")
        }
        try await CaptureProxy.run(script) { proxy in
            let status = try await ask(proxy, Ask.all[0]).status
            #expect(status == 503)
            #expect(proxy.forwarded.count == 1)
        }
    }

    @Test("An engine that has succeeded with the injection is not asked twice when it fails", arguments: Ask.all)
    func provenKinds(request: Ask) async throws {
        let fails = Monitor(false)
        let script: MockEngine.Script = { exchange in
            if fails.state { return try await Failure.status503.perform(exchange) }
            try await request.reply(exchange)
        }
        try await CaptureProxy.run(script) { proxy in
            let first = try await ask(proxy, request).status
            fails.update { $0 = true }
            let second = try await ask(proxy, request).status
            #expect(first == 200 && second == 503)
            #expect(proxy.forwarded.count == 2)
        }
    }

    /// What becomes of a stream whose beginning the agent has.
    enum LateFailure: CaseIterable, Sendable {
        case errorAfterComments, cutAfterComments, endAfterComments
        case errorAfterEvent, cutAfterEvent
    }

    @Test(
        "A stream that fails when the agent has bytes of it lets the session's next turn go without the injection",
        arguments: LateFailure.allCases, Ask.all.filter(\.stream))
    func lateFailures(failure: LateFailure, request: Ask) async throws {
        let mayGoOn = Monitor(false)
        let script: MockEngine.Script = { exchange in
            guard request.hasInjection(exchange.request.bodyText) else { return try await request.reply(exchange) }
            switch failure {
            case .errorAfterComments, .cutAfterComments, .endAfterComments:
                try await exchange.startEventStream()
                try await exchange.sendChunk(": keep-alive\n\n")
                await mayGoOn.wait { $0 }
            case .errorAfterEvent, .cutAfterEvent: try await request.begin(exchange)
            }
            switch failure {
            case .errorAfterComments, .errorAfterEvent:
                try await exchange.sendEvent(#"{"error":{"message":"Worker died","code":500}}"#)
                try await exchange.finishStream()
            case .endAfterComments: try await exchange.finishStream()
            case .cutAfterComments, .cutAfterEvent: await exchange.close()
            }
        }
        try await CaptureProxy.run(script, { $0.refusalTime = .milliseconds(20) }) { proxy in
            let direct = try await askDirectly(proxy, request)
            let agent = try await RawAgent.connect(port: proxy.server.port)
            try await agent.send(
                requestBytes(
                    "POST", path: request.path, headers: CaptureProxy.headers + [("X-Verbatim-Session", "s")],
                    body: Array(request.body().utf8)))
            _ = try await agent.read(until: "\r\n\r\n")
            mayGoOn.update { $0 = true }
            _ = try await proxy.records(atLeast: 1)
            await agent.close()
            expectSame(try await ask(proxy, request), direct, inChunks: true, "\(failure)")
            #expect(proxy.forwarded.last == request.body())
            // Another session tries for itself.
            let before = proxy.forwarded.count
            _ = try? await ask(proxy, request, session: "other")
            #expect(proxy.forwarded.dropFirst(before).first.map(request.hasInjection) == true)
        }
    }
}
