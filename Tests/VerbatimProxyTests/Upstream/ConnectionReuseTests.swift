import TestSupport
import Testing
import VerbatimProxy
import VerbatimTesting

@Suite("What an engine sends behind a reply goes to no other agent", .onOwnThreads, .timeLimit(.minutes(10)))
struct ConnectionReuseTests {
    private static let evil = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-Evil: 1\r\n\r\nevil!"

    /// Runs a proxy whose engine answers a request that has `X-First` with `reply`, and every other with `{}`; returns
    /// what the agent gets for the second.
    private func second(
        after reply: String, method: String = "GET", more: String = "", path: String = "/v1/x", together: Bool = false
    ) async throws {
        let isAnswered = Monitor(false)
        try await withProxy(
            { $0.threads = 1 },
            script: { exchange in
                if exchange.request.header("X-First") != nil {
                    try await exchange.send(reply)
                    if !more.isEmpty {
                        await isAnswered.wait { $0 }
                        // The proxy may have closed the connection.
                        try? await exchange.send(more)
                    }
                } else {
                    try await exchange.respond(body: "{}")
                }
            }
        ) { proxy in
            let agent = try await proxy.connect()
            let next = requestBytes("GET", path: "/v1/y")
            try await agent.send(
                requestBytes(method, path: path, headers: [("X-First", "1")]) + (together ? next : []))
            if method == "HEAD" {
                let first = try await agent.read(until: "\r\n\r\n")
                #expect(String(decoding: first, as: UTF8.self).hasPrefix("HTTP/1.1 "))
            } else {
                #expect(try await agent.readResponse().body.isEmpty)
            }
            isAnswered.update { $0 = true }
            if !together { try await agent.send(next) }
            let head = String(decoding: try await agent.read(until: "\r\n\r\n"), as: UTF8.self)
            #expect(head.contains("HTTP/1.1 200 OK") && !head.contains("X-Evil"), "\(head)")
            #expect(try await agent.read(count: 2) == Array("{}".utf8))
            #expect(proxy.engine.connectionCount == 2)
        }
    }

    @Test(
        "A reply that has no body is followed by one", arguments: ["", "late"], [true, false])
    func bodiesWhereNoneBelongs(time: String, together: Bool) async throws {
        let replies = [
            ("HEAD", "HTTP/1.1 200 OK\r\nContent-Length: \(Self.evil.utf8.count)\r\n\r\n"),
            ("HEAD", "HTTP/1.1 404 Not Found\r\nTransfer-Encoding: chunked\r\n\r\n"),
            ("GET", "HTTP/1.1 204 No Content\r\n\r\n"),
            ("GET", "HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n"),
            ("DELETE", "HTTP/1.1 204 No Content\r\nContent-Length: 3\r\n\r\n"),
        ]
        for (method, reply) in replies {
            if time == "late" {
                try await second(after: reply, method: method, more: Self.evil, together: together)
            } else {
                try await second(after: reply + Self.evil, method: method, together: together)
            }
        }
    }

    @Test(
        "A body is followed by the start of another reply, or by anything else",
        arguments: [evil, String(evil.prefix(12)), "\r\n", "x"], [true, false])
    func bytesBehindABody(more: String, together: Bool) async throws {
        try await second(after: "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n" + more, together: together)
        try await second(
            after: "HTTP/1.1 205 Reset Content\r\nContent-Length: 0\r\n\r\n" + more, together: together)
        try await second(
            after: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + more, together: together)
    }
}
