import TestSupport
import Testing
import VerbatimProxy
import VerbatimTesting

@Suite("Persistent connections, pipelining and HTTP/1.0", .onOwnThreads, .timeLimit(.minutes(10)))
struct HTTPSurfaceConnectionTests {
    private static let chat = requestBytes("POST", path: Chat.path, body: Array(Chat.unary.utf8))
    private static let chatStream = requestBytes("POST", path: Chat.path, body: Array(Chat.stream.utf8))

    @Test("Connections are kept on both sides")
    func connectionsAreKeptOnBothSides() async throws {
        try await withProxy({ $0.threads = 1 }, script: Chat.engine.serve) { proxy in
            let agent = try await proxy.connect()
            for turn in 1...6 {
                try await agent.send(turn % 2 == 0 ? Self.chat : Self.chatStream)
                let response = try await agent.readResponse()
                #expect(response.status == 200 && response.complete)
                #expect(response.header("Connection") == nil)
                try await agent.send(requestBytes("GET", path: "/v1/models"))
                #expect(try await agent.readResponse().bodyText.contains("mock/scripted-1"))
            }
            let other = try await proxy.connect()
            try await other.send(Self.chat)
            _ = try await other.readResponse()
            #expect(proxy.engine.connectionCount == 1, "agents share what the engine has kept open")
            #expect(try await proxy.finalRecords().map(\.turn) == Array(1...7))
        }
    }

    @Test(
        "A connection to the engine is not reused if the engine's headers rule it out",
        arguments: [("Keep-Alive", "timeout=1"), ("Connection", "close")])
    func engineConnectionHeadersAreHonoured(header: (String, String)) async throws {
        try await withProxy(
            { $0.threads = 1 },
            script: { exchange in
                try await exchange.respond(headers: [header, ("Content-Type", "application/json")], body: Chat.body())
            }
        ) { proxy in
            let agent = try await proxy.connect()
            for _ in 1...3 {
                try await agent.send(Self.chat)
                let response = try await agent.readResponse()
                #expect(response.status == 200 && response.header("Connection") == nil)
            }
            #expect(proxy.engine.connectionCount == 3)
        }
    }

    @Test("Pipelined requests are answered in order, however they are split", arguments: [1, 7, Int.max])
    func pipelinedRequestsAreAnsweredInOrder(piece: Int) async throws {
        try await withProxy(script: { exchange in
            if exchange.request.method == "GET" {
                try await exchange.respond(body: exchange.request.target)
            } else {
                try await Chat.engine.serve(exchange)
            }
        }) { proxy in
            let agent = try await proxy.connect()
            let health = requestBytes("GET", path: "/healthz")
            let bad = requestBytes("POST", path: Chat.path, body: Array("[]".utf8))
            let all =
                Self.chatStream + health + requestBytes("GET", path: "/v1/a") + Self.chat + health + health + bad
                + Self.chatStream + requestBytes("GET", path: "/b")
            for start in stride(from: 0, to: all.count, by: min(piece, all.count)) {
                try await agent.send(Array(all[start...].prefix(piece)))
            }
            var bodies: [String] = []
            for _ in 0..<9 {
                let response = try await agent.readResponse()
                #expect(response.complete && response.status == (bodies.count == 6 ? 400 : 200))
                bodies.append(response.bodyText)
            }
            #expect(bodies[0].hasSuffix("data: [DONE]\n\n") && bodies[7] == bodies[0])
            #expect(bodies[3].contains("Hello there!"))
            #expect(bodies[2] == "/v1/a" && bodies[8] == "/b")
            #expect([1, 4, 5].allSatisfy { bodies[$0] == #"{"status":"ok"}"# })
            #expect(try await proxy.finalRecords().map(\.turn) == [1, 2, 3])
        }
    }

    @Test("A request that is followed by garbage gets its reply")
    func garbageBehindARequest() async throws {
        try await withProxy(script: Chat.engine.serve) { proxy in
            let agent = try await proxy.connect()
            try await agent.send(Self.chat + Array("\u{1}\u{2} nonsense\r\n\r\n".utf8))
            let response = try await agent.readResponse()
            #expect(response.status == 200 && response.complete)
            #expect(await agent.waitUntilClosed() == .eof)
            #expect(try await proxy.finalRecords().map(\.outcome) == ["completed"])
        }
    }

    @Test(
        "The reply to HEAD has no body",
        arguments: [
            [("Content-Length", "5")], [("Transfer-Encoding", "chunked")], [],
        ])
    func headHasNoBody(framing: [(String, String)]) async throws {
        try await withProxy(script: { exchange in
            let lines = (framing + [("ETag", "x")]).map { "\($0.0): \($0.1)\r\n" }.joined()
            try await exchange.send("HTTP/1.1 200 OK\r\n\(lines)\r\n")
        }) { proxy in
            let agent = try await proxy.connect()
            for _ in 1...3 {
                try await agent.send(requestBytes("HEAD", path: "/v1/models"))
                let response = try await agent.readResponse(toHead: true)
                #expect(response.status == 200 && response.header("ETag") == "x")
                #expect(response.header("Content-Length") == framing.first { $0.0 == "Content-Length" }?.1)
                #expect(agent.availableCount == 0)
            }
            // Without framing the parser does not let the connection be used again.
            #expect(proxy.engine.connectionCount == 3, "the engine may send a body all the same")
        }
    }

    @Test("Replies with status 204 and 304 have no body", arguments: [204, 304], [Chat.path, "/v1/x"])
    func repliesWithoutABody(status: Int, path: String) async throws {
        try await withProxy(script: { exchange in
            try await exchange.send("HTTP/1.1 \(status) Nothing\r\nX-A: b\r\n\r\n")
        }) { proxy in
            let agent = try await proxy.connect()
            for _ in 1...2 {
                try await agent.send(requestBytes("POST", path: path, body: Array(Chat.unary.utf8)))
                let response = try await agent.readResponse()
                #expect(response.status == status && response.reason == "Nothing")
                #expect(response.headers.map(\.0) == ["X-A"] && response.body.isEmpty)
            }
            let outcomes = try await proxy.finalRecords().map(\.outcome)
            let outcome = status == 204 ? "completed" : "upstream_error"
            #expect(outcomes == (path == Chat.path ? [outcome, outcome] : []))
        }
    }

    // MARK: HTTP/1.0

    private func old(_ headers: String = "", body: String = Chat.unary) -> String {
        "POST \(Chat.path) HTTP/1.0\r\n\(headers)Content-Length: \(body.utf8.count)\r\n\r\n\(body)"
    }

    @Test("An HTTP/1.0 agent gets one reply, and the connection is closed")
    func anOldAgentGetsOneReply() async throws {
        try await withProxy(script: Chat.engine.serve) { proxy in
            let agent = try await proxy.connect()
            try await agent.send(old())
            let response = try await agent.readResponse()
            #expect(response.status == 200 && response.bodyText.contains("Hello there!"))
            #expect(response.header("Connection") == "close")
            #expect(await agent.waitUntilClosed() == .eof)
            #expect(proxy.engine.requests.map(\.version) == ["HTTP/1.1"])
        }
    }

    @Test("An HTTP/1.0 agent may ask to keep its connection")
    func anOldAgentMayKeepItsConnection() async throws {
        try await withProxy(script: Chat.engine.serve) { proxy in
            let agent = try await proxy.connect()
            for _ in 1...3 {
                try await agent.send(old("Connection: keep-alive\r\n"))
                let response = try await agent.readResponse()
                #expect(response.status == 200 && response.header("Connection") == "keep-alive")
            }
            try await agent.send(old("Connection: keep-alive\r\n", body: Chat.stream))
            let stream = try await agent.readResponse()
            #expect(stream.header("Connection") == "close" && stream.header("Transfer-Encoding") == nil)
            #expect(stream.complete && stream.end == .eof && stream.bodyText.hasSuffix("data: [DONE]\n\n"))
            #expect(try await proxy.finalRecords().map(\.turn) == [1, 2, 3, 4])
        }
    }

    @Test("A stream to an HTTP/1.0 agent is cut off by a reset")
    func anOldAgentsStreamIsCutByAReset() async throws {
        let isVisible = Monitor(false)
        try await withProxy(script: { exchange in
            try await Stage.midStream.play(exchange)
            await isVisible.wait { $0 }
            await exchange.close()
        }) { proxy in
            let agent = try await proxy.connect()
            try await agent.send(old(body: Chat.stream))
            _ = try await agent.read(until: "t2 ")
            isVisible.update { $0 = true }
            #expect(await agent.waitUntilClosed() == .reset)
            #expect(try await proxy.finalRecords().map(\.outcome) == ["upstream_disconnected"])
        }
    }

    // MARK: Ends

    @Test("A request with Connection: close gets a reply with the same header")
    func connectionCloseIsReturned() async throws {
        try await withProxy(script: Chat.engine.serve) { proxy in
            for path in [Chat.path, "/v1/models", "/healthz"] {
                let agent = try await proxy.connect()
                try await agent.send(
                    requestBytes(
                        path == Chat.path ? "POST" : "GET", path: path,
                        headers: [("Connection", "close")], body: path == Chat.path ? Array(Chat.unary.utf8) : nil))
                let response = try await agent.readResponse()
                #expect(response.status == 200 && response.header("Connection") == "close")
                #expect(await agent.waitUntilClosed() == .eof)
            }
        }
    }

    @Test("A request to upgrade is served as HTTP/1.1", arguments: [Chat.path, "/v1/embeddings"])
    func anUpgradeIsNotTaken(path: String) async throws {
        try await withProxy(script: Chat.engine.serve) { proxy in
            let agent = try await proxy.connect()
            try await agent.send(
                requestBytes(
                    "POST", path: path,
                    headers: [
                        ("Connection", "Upgrade, HTTP2-Settings"), ("HTTP2-Settings", "AAEAAEAAAAIAAAAB"),
                        ("Upgrade", "h2c"),
                    ], body: Array(Chat.unary.utf8)))
            let response = try await agent.readResponse()
            #expect(response.status == (path == Chat.path ? 200 : 404) && response.complete)
            let request = try #require(proxy.engine.requests.only)
            #expect(["Connection", "Upgrade", "HTTP2-Settings"].allSatisfy { request.header($0) == nil })
            #expect(!request.body.isEmpty)
        }
    }
}
