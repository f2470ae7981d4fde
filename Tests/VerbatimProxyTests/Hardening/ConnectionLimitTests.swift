import Foundation
import VerbatimTesting
import TestSupport
import Testing
import Verbatim

/// What an agent may take of the proxy: connections, time, bytes. At each limit there is a clear answer, and no hang.
@Suite(.onOwnThreads, .timeLimit(.minutes(10))) struct ConnectionLimitTests {
    // MARK: Connections

    /// Whoever is too many is told so before it has said anything, and can read it.
    @Test func tooManyConnections() async throws {
        try await withProxy({ $0.maxConnections = 2 }, script: Chat.engine.serve) { proxy in
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
            // What it still sends does not make the answer unreadable.
            try? await third.send(requestBytes("POST", path: Chat.path, body: Array(Chat.unary.utf8)))
            #expect(await third.waitUntilClosed() == .eof)
            await third.close()
            #expect(proxy.engine.requests.isEmpty)
            // Those that are served notice nothing, and whoever leaves makes room.
            try await agents[1].send(requestBytes("POST", path: Chat.path, body: Array(Chat.unary.utf8)))
            #expect(try await agents[1].readResponse().status == 200)
            await agents[0].close()
            let later = try await eventuallyAdmitted(proxy)
            #expect(try await later.readResponse().status == 200)
        }
    }

    /// The proxy notices a little later that an agent has left.
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

    /// More at once than are waited for: each is answered or closed, and none is kept.
    @Test func aFloodOfConnections() async throws {
        try await withProxy({ $0.maxConnections = 1 }, script: Chat.engine.serve) { proxy in
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

    @Test(arguments: [
        "GET /\(String(repeating: "a", count: 2000)) HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET /x HTTP/1.1\r\nHost: x\r\nX-A: \(String(repeating: "a", count: 2000))\r\n\r\n",
        "GET /x HTTP/1.1\r\nHost: x\r\nX-\(String(repeating: "a", count: 2000)): a\r\n\r\n",
        "GET /x HTTP/1.1\r\nHost: x\r\n\(String(repeating: "X-A: \(String(repeating: "a", count: 90))\r\n", count: 20))\r\n",
        "GET /x HTTP/1.1\r\nHost: x\r\n\(String(repeating: "A:\r\n", count: 257))\r\n",
        // Without an end, and in white space that is in no value.
        "GET /\(String(repeating: "a", count: 70_000))",
        "GET /x HTTP/1.1\r\nHost: x\r\nX-A: \(String(repeating: "a", count: 70_000))",
        "GET /x HTTP/1.1\r\nHost: x\r\nX-A:\(String(repeating: " ", count: 200_000))",
    ])
    func aHeadThatIsTooLarge(request: String) async throws {
        try await withProxy({ $0.maxHeaderSize = 1024 }, script: Chat.engine.serve) { proxy in
            let agent = try await proxy.connect()
            try await agent.send(request)
            let response = try await agent.readResponse()
            #expect(response.status == 431 && response.complete && response.header("Connection") == "close")
            #expect(try OpenAIError(response.body).code == "headers_too_large")
            #expect(proxy.engine.connectionCount == 0)
        }
    }

    @Test func aHeadThatJustFits() async throws {
        try await withProxy({ $0.maxHeaderSize = 4096 }, script: { try await $0.respond(body: "ok") }) { proxy in
            let agent = try await proxy.connect()
            for _ in 1...2 {
                let headers = (1...200).map { ("X-\($0)", "abcdefgh") }
                try await agent.send(requestBytes("GET", path: "/x", headers: headers))
                #expect(try await agent.readResponse().bodyText == "ok")
            }
            #expect(proxy.engine.requests.first?.header("X-200") == "abcdefgh")
        }
    }

    /// A head that never ends: byte by byte, or not at all any more.
    @Test(arguments: ["G", "GET /x HTTP/1.1\r\nHost: x\r\n", "GET /x HTTP/1.1\r\nHost: x\r\nX-A: "])
    func aSlowHead(start: String) async throws {
        try await withPatience { try await aSlowHead(start: start, limit: .seconds($0 ? 8 : 1)) }
    }

    private func aSlowHead(start: String, limit: Duration) async throws {
        try await withProxy({ $0.headTimeout = limit }, script: Chat.engine.serve) { proxy in
            let agent = try await proxy.connect()
            try await agent.send(requestBytes("GET", path: "/healthz"))
            #expect(try await agent.readResponse().status == 200)
            for character in start { try? await agent.send(String(character)) }
            let response = try await agent.readResponse()
            #expect(response.status == 408 && response.complete && response.header("Connection") == "close")
            #expect(try OpenAIError(response.body).code == "request_timeout")
            #expect(await agent.waitUntilClosed() == .eof)
        }
    }

    /// Somebody who connects and says nothing is owed no answer.
    @Test func aSilentConnection() async throws {
        try await withProxy({ $0.headTimeout = .milliseconds(200) }, script: Chat.engine.serve) { proxy in
            let agent = try await proxy.connect()
            let end = try await agent.readToEnd()
            #expect(end.text.isEmpty && end.end == .eof)
        }
    }

    /// The time is for a head only: not for the reply to it, and anew for each.
    @Test func aSlowReplyIsNoSlowHead() async throws {
        try await withPatience { try await aSlowReplyIsNoSlowHead(limit: .seconds($0 ? 8 : 1)) }
    }

    private func aSlowReplyIsNoSlowHead(limit: Duration) async throws {
        let isDone = Monitor(false)
        try await withProxy(
            { $0.headTimeout = limit },
            script: { exchange in
                await isDone.wait { $0 }
                try await exchange.respond(body: "ok")
            }
        ) { proxy in
            let slow = try await proxy.connect()
            try await slow.send(requestBytes("GET", path: "/x"))
            await proxy.engine.waitForRequests(1)
            // Another connection tells that the time is over.
            let silent = try await proxy.connect()
            #expect(await silent.waitUntilClosed() == .eof)
            isDone.update { $0 = true }
            #expect(try await slow.readResponse().bodyText == "ok")
            // Of a later request, too, the head must come.
            try await slow.send("GET /y HT")
            #expect(try await slow.readResponse().status == 408)
        }
    }

    @Test func anUnusedConnection() async throws {
        try await withPatience { try await anUnusedConnection(limit: .milliseconds($0 ? 10_000 : 300)) }
    }

    private func anUnusedConnection(limit: Duration) async throws {
        try await withProxy({ $0.keepAlive = limit }, script: Chat.engine.serve) { proxy in
            for path in [Chat.path, "/v1/models", "/healthz"] {
                let agent = try await proxy.connect()
                let body = path == Chat.path ? Array(Chat.unary.utf8) : nil
                try await agent.send(requestBytes(body == nil ? "GET" : "POST", path: path, body: body))
                #expect(try await agent.readResponse().status == 200)
                #expect(await agent.waitUntilClosed() == .eof)
                #expect(agent.availableCount == 0, "it is closed without a word")
            }
        }
    }

    /// A reply that is still being taken is no unused connection.
    @Test(arguments: ["keep-alive", "close"])
    func aReplyThatIsTakenSlowly(connection: String) async throws {
        // More than sockets hold.
        let reply = #"{"text":"\#(String(repeating: "x", count: 24 << 20))"}"#
        try await withProxy(
            { $0.keepAlive = .milliseconds(200) },
            script: { try await $0.respond(headers: [("Content-Type", "application/json")], body: reply) }
        ) { proxy in
            let slow = try await proxy.connect(receiveBuffer: 64 << 10)
            try await slow.stopReading()
            try await slow.send(
                requestBytes(
                    "POST", path: Chat.path, headers: [("Connection", connection)], body: Array(Chat.unary.utf8)))
            // Once its record is whole, the reply goes out.
            while FileManager.default.contents(atPath: proxy.tracePath)?.last != UInt8(ascii: "\n") {
                try await Task.sleep(for: .milliseconds(20))
            }
            // Other connections tell that the time is over.
            for _ in 1...4 {
                let unused = try await proxy.connect()
                try await unused.send(requestBytes("GET", path: "/healthz"))
                #expect(await unused.waitUntilClosed() == .eof)
            }
            try await slow.resumeReading()
            let response = try await slow.readResponse()
            #expect(response.complete && response.body.count == reply.utf8.count)
        }
    }

    // MARK: Bodies

    @Test(arguments: ["", "Expect: 100-continue\r\n"])
    func aSlowBody(expectation: String) async throws {
        try await withPatience {
            try await aSlowBody(expectation: expectation, limit: .milliseconds($0 ? 10_000 : 300))
        }
    }

    private func aSlowBody(expectation: String, limit: Duration) async throws {
        try await withProxy({ $0.bodyTimeout = limit }, script: Chat.engine.serve) { proxy in
            for path in [Chat.path, "/healthz"] {
                let agent = try await proxy.connect()
                let method = path == Chat.path ? "POST" : "GET"
                try await agent.send(
                    "\(method) \(path) HTTP/1.1\r\nHost: x\r\n\(expectation)Content-Length: 100\r\n\r\n")
                if expectation.isEmpty { try await agent.send("{") }
                var response = try await agent.readResponse()
                if response.status == 100 { response = try await agent.readResponse() }
                #expect(response.status == 408 && response.complete && response.header("Connection") == "close")
                #expect(try OpenAIError(response.body).code == "request_timeout")
                #expect(await agent.waitUntilClosed() == .eof)
            }
            #expect(proxy.engine.requests.isEmpty)
            #expect(try await proxy.finalRecords().isEmpty)
        }
    }

    /// On a forwarded route the time of the whole request counts.
    @Test func aSlowUpload() async throws {
        try await withProxy(
            { $0.bodyTimeout = .milliseconds(100) }, script: { try await $0.respond(body: $0.request.body) }
        ) { proxy in
            let upload = try await proxy.connect()
            try await upload.send("POST /upload HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nab")
            let chat = try await proxy.connect()
            try await chat.send("POST \(Chat.path) HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\n{")
            #expect(try await chat.readResponse().status == 408)
            try await upload.send("cd")
            #expect(try await upload.readResponse().bodyText == "abcd")
        }
    }

    /// All bodies that are being read count together, and are given back.
    @Test func tooManyBodies() async throws {
        try await withProxy({ $0.maxBuffered = 100_000 }, script: Chat.engine.serve) { proxy in
            let body = #"{"model":"m","messages":[]\#(String(repeating: " ", count: 70_000))}"#
            #expect(try await proxy.chat(body).status == 200)
            let first = try await proxy.connect()
            try await first.send("POST \(Chat.path) HTTP/1.1\r\nHost: x\r\nContent-Length: 80000\r\n\r\n\(body)")
            // The proxy reads that in its own time.
            var refusal = try await proxy.chat(body)
            while refusal.status != 503 { refusal = try await proxy.chat(body) }
            #expect(refusal.complete && refusal.header("Retry-After") == "1")
            #expect(refusal.header("Connection") == "close")
            #expect(try OpenAIError(refusal.body).code == "overloaded")
            await first.close()
            // What was held is free again.
            while try await proxy.chat(body).status != 200 {}
        }
    }

    @Test func aBodyThatIsTooMuchByItself() async throws {
        try await withProxy({ $0.maxBuffered = 1000 }, script: Chat.engine.serve) { proxy in
            let refusal = try await proxy.chat(Chat.unary + String(repeating: " ", count: 1000))
            #expect(refusal.status == 503)
            #expect(try await proxy.chat().status == 200)
            #expect(try await proxy.finalRecords().map(\.turn) == [1])
        }
    }
}
