import Foundation
import NIOCore
import NIOHTTP1
import TestSupport
import Testing
import VerbatimTesting

@testable import VerbatimProxy
@testable import VerbatimHTTP

@Suite(
    "Errors of the proxy have the error format of the agent's API", .onOwnThreads, .timeLimit(.minutes(10)))
struct ErrorFormTests {
    static let replies: [(ErrorResponse, status: UInt, anthropicType: String)] = [
        (.badRequest("no \"JSON\"\n"), 400, "invalid_request_error"),
        (.bodyTooLarge(limit: 7), 413, "request_too_large"),
        (.badGateway("gone"), 502, "api_error"), (.gatewayTimeout("slow"), 504, "timeout_error"),
        (.traceUnavailable("disk full"), 503, "overloaded_error"), (.shuttingDown, 503, "overloaded_error"),
        (.tooManyConnections, 503, "overloaded_error"), (.overloaded, 503, "overloaded_error"),
        (.headTooLarge(limit: 7, count: 9), 431, "request_too_large"), (.requestTimeout("slow"), 408, "timeout_error"),
        (.routeNotAllowed, 403, "permission_error"), (.notImplemented("TRACE"), 501, "invalid_request_error"),
        (.expectationFailed, 417, "invalid_request_error"), (.budgetExhausted("calls"), 429, "rate_limit_error"),
    ]

    @Test("Each error has OpenAI's form and Anthropic's")
    func eachErrorHasBothForms() throws {
        for (reply, status, type) in Self.replies {
            #expect(reply.status.code == status)
            #expect(
                try AnthropicError(ErrorFormat.anthropic.body(reply))
                    == AnthropicError(type: type, message: reply.message))
            #expect(try OpenAIError(ErrorFormat.openAI.body(reply)).message == reply.message)
            #expect(try OpenAIError(ErrorFormat.openAI.body(reply)).code == reply.code)
        }
        #expect(
            String(decoding: ErrorFormat.anthropic.body(.badGateway("\"x\"")), as: UTF8.self)
                == #"{"type":"error","error":{"type":"api_error","message":"\"x\""}}"#)
    }

    @Test("A used-up budget is final: 429 with a code, and no header that asks for another try")
    func aUsedUpBudgetIsFinal() {
        let error = ErrorResponse.budgetExhausted("calls")
        #expect(error.headers == ["x-should-retry": "false"])
        let message = "the budget of this session is used up (calls): no further model calls are made"
        #expect(
            String(decoding: ErrorFormat.openAI.body(error), as: UTF8.self)
                == #"{"error":{"message":"\#(message)","type":"insufficient_quota","param":null,"code":"budget_exhausted"}}"#
        )
        #expect(
            String(decoding: ErrorFormat.anthropic.body(error), as: UTF8.self)
                == #"{"type":"error","error":{"type":"rate_limit_error","message":"\#(message)"}}"#)
        #expect(ErrorResponse.shuttingDown.headers.isEmpty)
    }

    /// The official clients read these (`Tests/e2e/test_endings.py`).
    @Test("The fixtures of a used-up budget hold what the agent gets")
    func fixtures() throws {
        let error = ErrorResponse.budgetExhausted("calls")
        let inputs: [(path: String, input: String)] = [
            ("/v1/chat/completions", #""messages":[{"role":"user","content":"Hi"}]"#),
            ("/v1/completions", #""prompt":"Hi""#), ("/v1/responses", #""input":"Hi""#),
            ("/v1/messages", #""max_tokens":9,"messages":[{"role":"user","content":"Hi"}]"#),
        ]
        let replies = inputs.map { path, input in
            var headers = ["Content-Type": "application/json"]
            for header in error.headers { headers[header.name] = header.value }
            let format = path == "/v1/messages" ? ErrorFormat.anthropic : .openAI
            return EndingFixture(
                name: path, path: path, request: #"{"model":"m",\#(input)}"#, status: Int(error.status.code),
                headers: headers, body: String(decoding: format.body(error), as: UTF8.self))
        }
        #expect(try EndingFixture.stored(in: "errors.jsonl", after: replies) == replies)
    }

    @Test(
        "The path of a request decides the form",
        arguments: [
            ("/v1/messages", true), ("/v1/messages/count_tokens", true), ("/v1/messages?beta=true", true),
            ("/messages", true), ("/messages/", true), ("/sessions/a/v1/messages", true),
            ("http://x/v1/messages", true),
            ("/v1/messagesx", false), ("/v1/chat/completions", false), ("/v1/message", false), ("/v2/messages", false),
            ("/", false), ("/v1/threads/t/messages", false), ("/sessions/a/messages", false),
            ("/v1/chat?/v1/messages", false),
            // A combining character makes one grapheme cluster with the letter before it.
            ("/v1/messages?\u{301}", true), ("http://engine/\u{301}/messages", false),
        ])
    func pathDecidesTheErrorFormat(target: String, isAnthropic: Bool) throws {
        let head = HTTPRequestHead(version: .http1_1, method: .POST, uri: target)
        let request = ProxyRequest(head, target: try #require(RequestTarget(head)))
        #expect(request.isAnthropic == isAnthropic)
        let body = request.responseRequest.errorFormat.body(.badRequest("x"))
        #expect(body == (isAnthropic ? ErrorFormat.anthropic : .openAI).body(.badRequest("x")))
    }

    @Test(
        "A captured turn reports errors in its API's format; the record has OpenAI's",
        arguments: [
            (CapturedTurnDriver.Event.unreachable, 502, "api_error"), (.connectTimeout, 504, "timeout_error"),
            (.disconnect, 502, "api_error"), (.timeout, 504, "timeout_error"), (.shutdown, 503, "overloaded_error"),
        ])
    func capturedTurns(event: CapturedTurnDriver.Event, status: Int, type: String) throws {
        let driver = try CapturedTurnDriver(
            isProven: true, agent: ResponseWriter.Request(errorFormat: .anthropic))
        driver.sendAttempt()
        let action = driver.on(event)
        #expect([.record(closesEngine: false), .record(closesEngine: true)].contains(action))
        #expect(try driver.record?.string("response", "upstream_error", "code")?.isEmpty == false)
        #expect(driver.on(.kept) == .finish)
        let sent = driver.takeSent()
        #expect(sent.hasPrefix("HTTP/1.1 \(status) "))
        #expect(try AnthropicError(sentIn: sent).type == type)
    }

    @Test("A turn that cannot be recorded reports the error in its API's format")
    func aCapturedTurnThatCannotBeRecorded() throws {
        let driver = try CapturedTurnDriver(agent: ResponseWriter.Request(errorFormat: .anthropic))
        driver.sendAttempt()
        #expect(driver.on(.unreachable) == .record(closesEngine: false))
        #expect(driver.on(.notKept) == .finish)
        let sent = driver.takeSent()
        #expect(sent.hasPrefix("HTTP/1.1 503 "))
        #expect(try AnthropicError(sentIn: sent).type == "overloaded_error")
    }

    // MARK: Over sockets

    @Test("An engine that cannot be reached is reported in the form of the path")
    func unreachableEngineIsReportedInThePathsFormat()
        async throws
    {
        try await withProxy({ $0.upstreamURL = "http://127.0.0.1:1" }, script: Chat.engine.serve) { proxy in
            for path in ["/v1/messages?beta=true", "/v1/messages/count_tokens", "/sessions/a/v1/messages"] {
                let response = try await post(port: proxy.port, path: path, body: "{}")
                #expect(response.status == 502 && response.header("Content-Type") == "application/json")
                #expect(try AnthropicError(response.body).type == "api_error")
            }
            let other = try await post(port: proxy.port, path: "/v1/embeddings", body: "{}")
            #expect(try OpenAIError(other.body).type == "upstream_error")
        }
    }

    @Test("A connection to the engine that times out is reported in the form of the path")
    func connectTimeoutIsReportedInThePathsFormat() async throws {
        let hole = try UnansweringPort()
        let clock = ManualClock()
        try await withProxy(
            {
                $0.upstreamURL = hole.url
                $0.clock = HTTPClock(clock)
                $0.connectTimeout = .seconds(10)
            }, script: Chat.engine.serve
        ) { proxy in
            async let reply = post(port: proxy.port, path: "/v1/messages", body: "{}")
            await clock.waitForTimer(in: .seconds(10))
            try await clock.advance(by: .seconds(10))
            let response = try await reply
            #expect(response.status == 504)
            #expect(try AnthropicError(response.body).type == "timeout_error")
        }
    }

    @Test("An invalid session id is reported in the form of the path")
    func invalidSessionIsReportedInThePathsFormat() async throws {
        try await withProxy(script: Chat.engine.serve) { proxy in
            let response = try await post(port: proxy.port, path: "/sessions/a%20b/v1/messages", body: "{}")
            #expect(response.status == 400)
            let error = try AnthropicError(response.body)
            #expect(error.type == "invalid_request_error" && error.message.contains("session id"))
        }
    }

    @Test("A turn that shutdown cuts off is reported in the form of the path")
    func anAgentThatIsCutOff() async throws {
        try await withProxy({ $0.shutdownGrace = .zero }, script: { await $0.peerClosed() }) { proxy in
            let agent = try await proxy.connect()
            try await agent.send(requestBytes("POST", path: "/v1/messages", body: Array("{}".utf8)))
            await proxy.engine.waitForRequests(1)
            async let stopped: Void = proxy.stop()
            let response = try await agent.readResponse()
            #expect(response.status == 503)
            #expect(try AnthropicError(response.body).type == "overloaded_error")
            await stopped
        }
    }
}

/// An error reply in Anthropic's form.
struct AnthropicError: Decodable, Equatable {
    private struct Body: Decodable {
        let type: String
        let error: AnthropicError
    }

    let type: String
    let message: String

    init(type: String, message: String) {
        self.type = type
        self.message = message
    }

    init(_ body: [UInt8]) throws {
        let body = try JSONDecoder().decode(Body.self, from: Data(body))
        try #require(body.type == "error")
        self = body.error
    }

    /// - Parameter reply: A whole reply with its head.
    init(sentIn reply: String) throws {
        let end = try #require(reply.range(of: "\r\n\r\n"))
        try self.init(Array(reply[end.upperBound...].utf8))
    }
}
