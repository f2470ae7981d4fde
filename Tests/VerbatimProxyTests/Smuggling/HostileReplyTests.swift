import TestSupport
import Testing
import VerbatimProxy
import VerbatimTesting

/// Replies that are ambiguous or that were not requested: the agent gets one whole reply to each request.
@Suite(.onOwnThreads, .timeLimit(.minutes(10))) struct HostileReplyTests {
    static let routes = [Chat.path, "/v1/embeddings"]
    static let second = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-Evil: 1\r\n\r\nevil!"

    @Test(
        "A reply that cannot be read becomes a 502",
        arguments: [
            "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{} ",
            "HTTP/1.1 200 OK\r\nContent-Length: 2, 2\r\n\r\n{}", "HTTP/1.1 200 OK\r\nContent-Length: +2\r\n\r\n{}",
            "HTTP/1.1 200 OK\r\nContent-Length: 9223372036854775808\r\n\r\n{}",
            "HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551616\r\n\r\n{}",
            "HTTP/1.1 200 OK\r\nContent-Length: 0x2\r\n\r\n{}", "HTTP/1.1 200 OK\r\nContent-Length: -2\r\n\r\n{}",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: xchunked\r\n\r\n{}",
            "HTTP/1.1 200 OK\r\nX-A: b\r\n c\r\nContent-Length: 2\r\n\r\n{}",
            "HTTP/1.1 200 OK\r\nX-A: b\rX-B: c\r\nContent-Length: 2\r\n\r\n{}",
            "HTTP/1.1 200 OK\r\nX-A: b\u{0}c\r\nContent-Length: 2\r\n\r\n{}",
            "HTTP/1.1 200 OK\r\nX-A : b\r\nContent-Length: 2\r\n\r\n{}",
            "HTTP/1.1 200 O\rK\r\nContent-Length: 2\r\n\r\n{}", "HTTP/2.0 200 OK\r\nContent-Length: 2\r\n\r\n{}",
            "HTTP/1.2 200 OK\r\nContent-Length: 2\r\n\r\n{}", "HTTP/1.1 20 OK\r\nContent-Length: 2\r\n\r\n{}",
            "HTTP/1.1 2000 OK\r\nContent-Length: 2\r\n\r\n{}", "ICY 200 OK\r\n\r\n{}",
            "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
        ], routes)
    func unreadableReplyBecomes502(reply: String, path: String) async throws {
        try await withProxy(script: { try await $0.send(reply + Self.second) }) { proxy in
            let agent = try await proxy.connect()
            try await agent.send(requestBytes("POST", path: path, body: Array(Chat.unary.utf8)))
            let response = try await agent.readResponse()
            #expect(response.status == 502 && response.complete)
            #expect(try OpenAIError(response.body).code == "upstream_unavailable")
            try await agent.send(requestBytes("GET", path: "/healthz"))
            #expect(try await agent.readResponse().bodyText == #"{"status":"ok"}"#, "the agent is not out of step")
        }
    }

    @Test("A second reply to one request is not the reply to the next", arguments: routes, [true, false])
    func secondReplyIsNotTheReplyToTheNext(path: String, comesLate: Bool) async throws {
        let mayGoOn = Monitor(false)
        try await withProxy(
            { $0.threads = 1 },
            script: { exchange in
                let first = exchange.request.header("X-First") != nil
                let reply = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
                if first && !comesLate {
                    try await exchange.send(reply + Self.second)
                } else if first {
                    try await exchange.send(reply)
                    await mayGoOn.wait { $0 }
                    try await exchange.send(Self.second)
                } else {
                    try await exchange.send(reply)
                }
            }
        ) { proxy in
            let agent = try await proxy.connect()
            try await agent.send(
                requestBytes("POST", path: path, headers: [("X-First", "1")], body: Array(Chat.unary.utf8)))
            #expect(try await agent.readResponse().bodyText == "{}")
            mayGoOn.update { $0 = true }
            // The proxy closes the connection although it is not in use.
            await proxy.engine.waitForOpenConnections(atMost: 0)
            try await agent.send(requestBytes("POST", path: path, body: Array(Chat.unary.utf8)))
            let response = try await agent.readResponse()
            #expect(response.bodyText == "{}" && response.header("X-Evil") == nil)
            #expect(proxy.engine.connectionCount == 2)
        }
    }

    @Test("Interim replies are not passed on, and none is taken for the reply", arguments: routes)
    func interimReplies(path: String) async throws {
        let interim =
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 Processing\r\nX-A: b\r\n\r\n"
            + "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"
        try await withProxy(script: {
            try await $0.send(
                interim + "HTTP/1.1 200 Fine\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}")
        }) { proxy in
            let agent = try await proxy.connect()
            for _ in 1...2 {
                try await agent.send(requestBytes("POST", path: path, body: Array(Chat.unary.utf8)))
                let response = try await agent.readResponse()
                #expect(response.status == 200 && response.reason == "Fine" && response.bodyText == "{}")
                #expect(response.header("Link") == nil && response.header("X-A") == nil)
            }
            #expect(proxy.engine.connectionCount == 1)
        }
    }

    @Test(
        "Replies with unusual framing are read like others",
        arguments: [
            // Without a length the end of the connection is the end of the body.
            ("HTTP/1.0 200 OK\r\n\r\n{}", "{}"),
            ("HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\n{}", "{}"),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\n\r\n{}", "{}"),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked \r\n\r\n2\r\n{}\r\n0\r\n\r\n", "{}"),
            ("HTTP/1.1 205 Reset\r\nContent-Length: 0\r\n\r\n", ""),
            ("HTTP/1.1 205 Reset\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", ""),
            ("HTTP/1.1 204 None\r\nContent-Length: 5\r\n\r\n", ""),
            ("HTTP/1.1 204 None\r\nTransfer-Encoding: chunked\r\n\r\n", ""),
        ], routes)
    func otherFramings(reply: (String, body: String), path: String) async throws {
        try await withProxy(script: { exchange in
            try await exchange.send(reply.0)
            await exchange.close()
        }) { proxy in
            let agent = try await proxy.connect()
            try await agent.send(requestBytes("POST", path: path, body: Array(Chat.unary.utf8)))
            let response = try await agent.readResponse()
            #expect(response.bodyText == reply.body && response.complete)
            #expect([200, 204, 205].contains(response.status))
            try await agent.send(requestBytes("GET", path: "/healthz"))
            #expect(try await agent.readResponse().bodyText == #"{"status":"ok"}"#)
        }
    }

    private static let chunkedHead = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"

    @Test(
        "Chunks are read in every form that RFC 9112 allows",
        arguments: [
            "2\r\n{}\r\n0\r\n\r\n", "1\r\n{\r\n1;a=\"b;c\"\r\n}\r\n0\r\n\r\n",
            "1;x\r\n{\r\n1\r\n}\r\n0;y\r\nX-T: 1\r\n\r\n",
            "01\r\n{\r\n0000000000000001\r\n}\r\n000\r\n\r\n",
        ], routes)
    func chunksOfEveryForm(body: String, path: String) async throws {
        let reply = Array((Self.chunkedHead + body).utf8)
        try await withProxy(script: { exchange in
            let size = exchange.request.header("X-Size").flatMap { Int($0) } ?? reply.count
            for start in stride(from: 0, to: reply.count, by: size) {
                try await exchange.send(Array(reply[start..<min(start + size, reply.count)]))
            }
        }) { proxy in
            let agent = try await proxy.connect()
            for size in [1, 3, 50, reply.count, Self.chunkedHead.utf8.count, Self.chunkedHead.utf8.count + 2] {
                let headers = [("X-Size", String(size))]
                try await agent.send(requestBytes("POST", path: path, headers: headers, body: Array(Chat.unary.utf8)))
                let response = try await agent.readResponse()
                #expect(response.status == 200 && response.bodyText == "{}" && response.complete, "\(size) at a time")
            }
        }
    }

    @Test(
        "Invalid chunks cut the reply off",
        arguments: [
            "1\r\n{X\n}\r\n0\r\n\r\n", "1\r\n{}\r\n0\r\n\r\n", "1\r\n{\r\nz\r\n}\r\n0\r\n\r\n",
            "1\r\n{\r\n-1\r\n}\r\n0\r\n\r\n",
            "1\r\n{\r\n1 1\r\n}\r\n0\r\n\r\n", "1\r\n{\r\n\r\n1\r\n}\r\n0\r\n\r\n",
            "1\r\n{\r\nfffffffffffffffff\r\n}\r\n0\r\n\r\n",
        ], routes)
    func invalidChunksCutTheReplyOff(body: String, path: String) async throws {
        try await withProxy(script: { try await $0.send(Self.chunkedHead + body + Self.second) }) { proxy in
            let agent = try await proxy.connect()
            try await agent.send(requestBytes("POST", path: path, body: Array(Chat.unary.utf8)))
            // A reply that is captured waits for its end, so that an error can take its place.
            let isCaptured = path == Chat.path
            let response = try await agent.readResponse()
            #expect(response.status == (isCaptured ? 502 : 200) && response.complete == isCaptured)
            #expect(isCaptured || "{".hasPrefix(response.bodyText))
        }
    }
}
