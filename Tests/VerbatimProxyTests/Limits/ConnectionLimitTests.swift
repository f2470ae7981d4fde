import Foundation
import NIOCore
import TestSupport
import Testing
import VerbatimHTTP
import VerbatimProxy
import VerbatimTesting

@Suite("Limits of connections, times and sizes", .onOwnThreads, .timeLimit(.minutes(10)))
struct ConnectionLimitTests {
    // MARK: Connections

    @Test("A connection beyond the limit gets a 503 before it sends anything")
    func tooManyConnections() async throws {
        try await withProxy({ $0.maximumConnections = 2 }, script: Chat.engine.serve) { proxy in
            let agents = [try await proxy.connect(), try await proxy.connect()]
            for agent in agents {
                try await agent.send(requestBytes("GET", path: "/healthz"))
                #expect(try await agent.readResponse().status == 200)
            }
            let third = try await proxy.connect()
            let refusal = try await third.readResponse()
            #expect(refusal.status == 503 && refusal.complete && refusal.header("Connection") == "close")
            #expect(refusal.header("Retry-After") == "1")
            #expect(try OpenAIError(refusal.body).code == "too_many_connections")
            // What the agent sends meanwhile does not make the response unreadable.
            try? await third.send(requestBytes("POST", path: Chat.path, body: Array(Chat.unary.utf8)))
            #expect(await third.waitUntilClosed() == .eof)
            await third.close()
            #expect(proxy.engine.requests.isEmpty)
            // Other agents are not affected, and one that leaves makes room.
            try await agents[1].send(requestBytes("POST", path: Chat.path, body: Array(Chat.unary.utf8)))
            #expect(try await agents[1].readResponse().status == 200)
            await agents[0].close()
            let later = try await eventuallyAdmitted(proxy)
            #expect(try await later.readResponse().status == 200)
        }
    }

    /// Connects until the proxy has noticed that an agent has left.
    private func eventuallyAdmitted(_ proxy: ProxyHarness) async throws -> RawAgent {
        while true {
            let agent = try await proxy.connect()
            try? await agent.send(requestBytes("GET", path: "/healthz"))
            let answer = try await agent.read(until: "\r\n")
            if String(decoding: answer, as: UTF8.self).contains(" 200 ") {
                try await agent.send(requestBytes("GET", path: "/healthz"))
                _ = try await agent.read(until: "}")
                return agent
            }
            await agent.close()
        }
    }

    @Test("Connections in a flood beyond the limit get a 503 or are closed")
    func aFloodOfConnections() async throws {
        try await withProxy({ $0.maximumConnections = 1 }, script: Chat.engine.serve) { proxy in
            let agent = try await proxy.connect()
            try await agent.send(requestBytes("GET", path: "/healthz"))
            #expect(try await agent.readResponse().status == 200)
            var others: [RawAgent] = []
            for _ in 0..<200 { others.append(try await proxy.connect()) }
            for other in others {
                let (text, _) = try await other.readToEnd()
                #expect(text.isEmpty || text.hasPrefix("HTTP/1.1 503 "))
                await other.close()
            }
            try await agent.send(requestBytes("GET", path: "/healthz"))
            #expect(try await agent.readResponse().status == 200)
        }
    }

    // MARK: Heads

    @Test(
        "A head that is too large gets a 431",
        arguments: [
            "GET /\(String(repeating: "a", count: 2000)) HTTP/1.1\r\nHost: x\r\n\r\n",
            "GET /x HTTP/1.1\r\nHost: x\r\nX-A: \(String(repeating: "a", count: 2000))\r\n\r\n",
            "GET /x HTTP/1.1\r\nHost: x\r\nX-\(String(repeating: "a", count: 2000)): a\r\n\r\n",
            "GET /x HTTP/1.1\r\nHost: x\r\n\(String(repeating: "X-A: \(String(repeating: "a", count: 90))\r\n", count: 20))\r\n",
            "GET /x HTTP/1.1\r\nHost: x\r\n\(String(repeating: "A:\r\n", count: 257))\r\n",
            // Without an end, and within white space before a value.
            "GET /\(String(repeating: "a", count: 70_000))",
            "GET /x HTTP/1.1\r\nHost: x\r\nX-A: \(String(repeating: "a", count: 70_000))",
            "GET /x HTTP/1.1\r\nHost: x\r\nX-A:\(String(repeating: " ", count: 200_000))",
        ])
    func aHeadThatIsTooLarge(request: String) async throws {
        try await withProxy({ $0.maximumHeaderSize = 1024 }, script: Chat.engine.serve) { proxy in
            let agent = try await proxy.connect()
            try await agent.send(request)
            let response = try await agent.readResponse()
            #expect(response.status == 431 && response.complete && response.header("Connection") == "close")
            #expect(try OpenAIError(response.body).code == "headers_too_large")
            #expect(proxy.engine.connectionCount == 0)
        }
    }

    @Test("A head within the limits is accepted, also on a kept connection")
    func aHeadThatJustFits() async throws {
        try await withProxy({ $0.maximumHeaderSize = 4096 }, script: { try await $0.respond(body: "ok") }) { proxy in
            let agent = try await proxy.connect()
            for _ in 1...2 {
                let headers = (1...200).map { ("X-\($0)", "abcdefgh") }
                try await agent.send(requestBytes("GET", path: "/x", headers: headers))
                #expect(try await agent.readResponse().bodyText == "ok")
            }
            #expect(proxy.engine.requests.first?.header("X-200") == "abcdefgh")
        }
    }

    /// The head stops within its first line, between headers or within one.
    @Test(
        "A head that is not complete in time gets a 408",
        arguments: ["G", "GET /x HTTP/1.1\r\nHost: x\r\n", "GET /x HTTP/1.1\r\nHost: x\r\nX-A: "])
    func aSlowHead(start: String) async throws {
        let clock = ManualClock()
        try await withProxy(
            {
                $0.clock = HTTPClock(clock)
                $0.headTimeout = .seconds(10)
            }, script: Chat.engine.serve
        ) { proxy in
            let agent = try await proxy.connect()
            try await agent.send(requestBytes("GET", path: "/healthz"))
            #expect(try await agent.readResponse().status == 200)
            // The time for the first head passes, so that the timer below is that of the second head.
            try await clock.advance(by: .seconds(10))
            for character in start { try await agent.send(String(character)) }
            await clock.waitForTimer(in: .seconds(10))
            try await clock.advance(by: .seconds(10))
            let response = try await agent.readResponse()
            #expect(response.status == 408 && response.complete && response.header("Connection") == "close")
            #expect(try OpenAIError(response.body).code == "request_timeout")
            #expect(await agent.waitUntilClosed() == .eof)
        }
    }

    @Test("A connection that sends nothing is closed without a response")
    func aSilentConnection() async throws {
        let clock = ManualClock()
        try await withProxy(
            {
                $0.clock = HTTPClock(clock)
                $0.headTimeout = .seconds(10)
            }, script: Chat.engine.serve
        ) { proxy in
            let agent = try await proxy.connect()
            await clock.waitForTimer(in: .seconds(10))
            try await clock.advance(by: .seconds(10))
            let end = try await agent.readToEnd()
            #expect(end.text.isEmpty && end.end == .eof)
        }
    }

    @Test("The head timeout excludes the reply and starts anew with each head")
    func headTimeoutExcludesTheReply() async throws {
        let clock = ManualClock()
        let isDone = Monitor(false)
        try await withProxy(
            {
                $0.clock = HTTPClock(clock)
                $0.headTimeout = .seconds(10)
            },
            script: { exchange in
                await isDone.wait { $0 }
                try await exchange.respond(body: "ok")
            }
        ) { proxy in
            let slow = try await proxy.connect()
            try await slow.send(requestBytes("GET", path: "/x"))
            await proxy.engine.waitForRequests(1)
            try await clock.advance(by: .seconds(60))
            isDone.update { $0 = true }
            #expect(try await slow.readResponse().bodyText == "ok")
            try await slow.send("GET /y HT")
            await clock.waitForTimer(in: .seconds(10))
            try await clock.advance(by: .seconds(10))
            #expect(try await slow.readResponse().status == 408)
        }
    }

    @Test("An unused connection is closed after the keep-alive time, without a response")
    func anUnusedConnection() async throws {
        let clock = ManualClock()
        try await withProxy(
            {
                $0.clock = HTTPClock(clock)
                $0.keepAlive = .seconds(10)
            }, script: Chat.engine.serve
        ) { proxy in
            for path in [Chat.path, "/v1/models", "/healthz"] {
                let agent = try await proxy.connect()
                let body = path == Chat.path ? Array(Chat.unary.utf8) : nil
                try await agent.send(requestBytes(body == nil ? "GET" : "POST", path: path, body: body))
                #expect(try await agent.readResponse().status == 200)
                await clock.waitForTimer(in: .seconds(10))
                try await clock.advance(by: .seconds(10))
                #expect(await agent.waitUntilClosed() == .eof)
                #expect(agent.availableCount == 0)
            }
        }
    }

    @Test("A connection whose reply is read slowly does not count as unused", arguments: ["keep-alive", "close"])
    func aReplyThatIsTakenSlowly(connection: String) async throws {
        // More than sockets hold.
        let reply = #"{"text":"\#(String(repeating: "x", times: 24 << 20))"}"#
        let clock = ManualClock()
        try await withProxy(
            {
                $0.clock = HTTPClock(clock)
                $0.threads = 1
                $0.keepAlive = .seconds(10)
            },
            script: { try await $0.respond(headers: [("Content-Type", "application/json")], body: reply) }
        ) { proxy in
            let slow = try await proxy.connect(receiveBuffer: 64 << 10)
            try await slow.stopReading()
            try await slow.send(
                requestBytes(
                    "POST", path: Chat.path, headers: [("Connection", connection)], body: Array(Chat.unary.utf8)))
            // The reply is sent once its record is written.
            await proxy.waitForRecords(1)
            try await proxy.catchUp()
            try await clock.advance(by: .seconds(60))
            try await slow.resumeReading()
            let response = try await slow.readResponse()
            #expect(response.complete && response.body.count == reply.utf8.count)
        }
    }

    // MARK: Bodies

    @Test(
        "A body that is not complete in time gets a 408",
        arguments: ["", "Expect: 100-continue\r\n"])
    func aSlowBody(expectation: String) async throws {
        let clock = ManualClock()
        try await withProxy(
            {
                $0.clock = HTTPClock(clock)
                $0.bodyTimeout = .seconds(10)
            }, script: Chat.engine.serve
        ) { proxy in
            for path in [Chat.path, "/healthz"] {
                let agent = try await proxy.connect()
                let method = path == Chat.path ? "POST" : "GET"
                try await agent.send(
                    "\(method) \(path) HTTP/1.1\r\nHost: x\r\n\(expectation)Content-Length: 100\r\n\r\n")
                if expectation.isEmpty { try await agent.send("{") }
                await clock.waitForTimer(in: .seconds(10))
                try await clock.advance(by: .seconds(10))
                var response = try await agent.readResponse()
                if response.status == 100 { response = try await agent.readResponse() }
                #expect(response.status == 408 && response.complete && response.header("Connection") == "close")
                #expect(try OpenAIError(response.body).code == "request_timeout")
                #expect(await agent.waitUntilClosed() == .eof)
                await agent.close()
            }
            #expect(proxy.engine.requests.isEmpty)
            #expect(try await proxy.finalRecords().isEmpty)
        }
    }

    @Test("The body timeout applies to captured routes only: a forwarded upload has the time of the whole request")
    func aSlowUpload() async throws {
        let clock = ManualClock()
        try await withProxy(
            {
                $0.clock = HTTPClock(clock)
                $0.threads = 1
                $0.bodyTimeout = .seconds(10)
            }, script: { try await $0.respond(body: $0.request.body) }
        ) { proxy in
            let upload = try await proxy.connect()
            try await upload.send("POST /upload HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nab")
            try await proxy.catchUp()
            let chat = try await proxy.connect()
            try await chat.send("POST \(Chat.path) HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\n{")
            await clock.waitForTimer(in: .seconds(10))
            try await clock.advance(by: .seconds(10))
            #expect(try await chat.readResponse().status == 408)
            try await upload.send("cd")
            #expect(try await upload.readResponse().bodyText == "abcd")
        }
    }

    @Test("Bodies that are held share one limit, and release their share")
    func tooManyBodies() async throws {
        try await withProxy({ $0.maximumBuffered = 100_000 }, script: Chat.engine.serve) { proxy in
            let body = #"{"model":"m","messages":[]\#(String(repeating: " ", count: 70_000))}"#
            #expect(try await proxy.chat(body).status == 200)
            let first = try await proxy.connect()
            try await first.send("POST \(Chat.path) HTTP/1.1\r\nHost: x\r\nContent-Length: 80000\r\n\r\n\(body)")
            // The proxy may read the body later.
            var refusal = try await proxy.chat(body)
            while refusal.status != 503 { refusal = try await proxy.chat(body) }
            #expect(refusal.complete && refusal.header("Retry-After") == "1")
            #expect(refusal.header("Connection") == "close")
            #expect(try OpenAIError(refusal.body).code == "overloaded")
            await first.close()
            // The share is given back.
            while try await proxy.chat(body).status != 200 {}
        }
    }

    @Test("A body beyond the shared limit is refused although it is the only one")
    func singleBodyBeyondTheSharedLimitIsRefused()
        async throws
    {
        try await withProxy({ $0.maximumBuffered = 1000 }, script: Chat.engine.serve) { proxy in
            let refusal = try await proxy.chat(Chat.unary + String(repeating: " ", count: 1000))
            #expect(refusal.status == 503)
            #expect(try await proxy.chat().status == 200)
            #expect(try await proxy.finalRecords().map(\.turn) == [1])
        }
    }
}
