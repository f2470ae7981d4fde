import NIOCore
import TestSupport
import Testing
import VerbatimHTTP
import VerbatimProxy
import VerbatimTesting

@Suite("The engine cannot be reached", .onOwnThreads, .timeLimit(.minutes(10)))
struct FaultUnreachableTests {
    enum Cause: String, CaseIterable, Sendable {
        case closedPort, unknownName, notTLS, noAnswer, noHandshake

        func url(_ hole: UnansweringPort, _ silent: SilentPort, _ plain: SilentPort) -> String {
            switch self {
            case .closedPort: "http://127.0.0.1:1"
            case .unknownName: "http://no-such-host.invalid:8000"
            case .notTLS: "https://127.0.0.1:\(plain.port)"
            case .noAnswer: hole.url
            case .noHandshake: "https://127.0.0.1:\(silent.port)"
            }
        }

        var status: Int { self == .noAnswer || self == .noHandshake ? 504 : 502 }

        /// A word of the message that the agent gets.
        var words: String {
            switch self {
            case .closedPort: "refused"
            case .unknownName: "resolved"
            case .notTLS: "TLS"
            case .noAnswer, .noHandshake: "timed out"
            }
        }
    }

    @Test("The error to the agent and the record name the cause", arguments: Cause.allCases, [Chat.unary, Chat.stream])
    func agentAndRecordNameTheCause(cause: Cause, body: String) async throws {
        let hole = try UnansweringPort()
        let silent = try await SilentPort()
        let plain = try await SilentPort(answer: "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
        let clock = ManualClock()
        /// Lets the time to connect pass, if that is how the cause shows.
        @Sendable func passTime() async throws {
            guard cause.status == 504 else { return }
            await clock.waitForTimer(in: .seconds(10))
            try await clock.advance(by: .seconds(10))
        }
        try await withProxy(
            {
                $0.clock = HTTPClock(clock)
                $0.upstreamURL = cause.url(hole, silent, plain) + "/v1?api-version=secret-in-query"
                $0.upstreamAPIKey = "sk-secret"
                $0.connectTimeout = .seconds(10)
            }, script: Chat.engine.serve
        ) { proxy in
            let agent = try await proxy.startChat(body)
            try await passTime()
            let response = try await agent.readResponse()
            #expect(response.status == cause.status && response.complete)
            let error = try OpenAIError(response.body)
            #expect(error.message.contains(cause.words), "\(error.message)")
            #expect(error.type == "upstream_error")
            #expect(!response.bodyText.contains("secret"))
            // The connection stays open, and a route that is not captured gets the same answer.
            try await agent.send(requestBytes("GET", path: "/v1/models"))
            try await passTime()
            let other = try await agent.readResponse()
            #expect(other.status == cause.status && other.body == response.body)
            try await agent.send(requestBytes("GET", path: "/healthz"))
            #expect(try await agent.readResponse().status == 200)

            let record = try #require(try await proxy.finalRecords().only)
            #expect(record.turn == 1)
            #expect(record.outcome == (cause.status == 504 ? "timeout" : "upstream_error"))
            #expect(record.status == cause.status && record.upstreamStatus == nil)
            #expect(record.upstreamError?.contains(cause.words) == true)
            #expect(!record.line.contains("sk-secret") && !record.line.contains("secret-in-query"))
            #expect(record.level == "none" || record.level == "text")
            #expect(!record.isComplete && record.tokenIDs.isEmpty)
        }
        await silent.stop()
        await plain.stop()
    }

    @Test("Service resumes when the engine is back on the same port")
    func serviceResumes() async throws {
        let first = try await MockEngine.start(script: Chat.engine.serve)
        let port = first.port
        try await withProxy({ $0.upstreamURL = first.url }, script: Chat.engine.serve) { proxy in
            #expect(try await proxy.chat().status == 200)
            await first.stop()
            #expect(try await proxy.chat().status == 502)
            let second = try await MockEngine.start(port: port, script: Chat.engine.serve)
            #expect(try await proxy.chat(Chat.stream).status == 200)
            await second.stop()
            #expect(try await proxy.finalRecords().map(\.status) == [200, 502, 200])
        }
    }

    @Test("An upload that cannot be forwarded gets an error")
    func uploadThatCannotBeForwardedGetsAnError() async throws {
        try await withProxy(
            {
                $0.upstreamURL = "http://127.0.0.1:1"
                $0.limits.lingerSilence = .minutes(10)
            }, script: Chat.engine.serve
        ) { proxy in
            let agent = try await proxy.connect()
            try await agent.send("POST /upload HTTP/1.1\r\nHost: x\r\nContent-Length: \(4 << 20)\r\n\r\n")
            for _ in 0..<4 { try await agent.send(String(repeating: "x", times: 1 << 20)) }
            let response = try await agent.readResponse()
            #expect(response.status == 502 && response.complete)
        }
    }
}
