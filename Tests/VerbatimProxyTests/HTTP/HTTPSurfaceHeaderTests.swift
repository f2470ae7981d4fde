import TestSupport
import Testing
import VerbatimAPI
import VerbatimProxy
import VerbatimTesting

@Suite("Headers that cross the proxy", .onOwnThreads, .timeLimit(.minutes(10)))
struct HTTPSurfaceHeaderTests {
    static let routes = [Chat.path, "/v1/embeddings"]

    /// The header lines of a request or reply, without the first line.
    private func lines(_ head: [UInt8]) -> [String] {
        String(decoding: head.dropLast(4), as: UTF8.self).split(separator: "\r\n").dropFirst().map { String($0) }
    }

    @Test("Request headers keep their order, case and duplicates", arguments: routes)
    func requestHeadersKeepOrderCaseAndDuplicates(path: String) async throws {
        try await withProxy({ $0.capture = .text }, script: Chat.engine.serve) { proxy in
            let agent = try await proxy.connect()
            let body = Array(Chat.unary.utf8)
            try await agent.send(
                requestBytes(
                    "POST", path: path,
                    headers: [
                        ("x-first", "1"), ("User-AGENT", "a/1 (b; c)"), ("hOST", "agent.example"), ("X-Dup", "a"),
                        ("Keep-Alive", "timeout=5"), ("Accept", "*/*"), ("x-dup", "b"), ("X-DUP", "a, b"),
                        ("Connection", "keep-alive, X-Gone"), ("x-gone", "secret"), ("TE", "trailers"),
                        ("Proxy-Connection", "x"), ("Proxy-Authorization", "Basic eDp5"), ("Trailer", "X"),
                        ("Authorization", "Bearer agent"), ("connection", "x-also-gone"), ("X-Also-Gone", "y"),
                        ("Content-Length", String(body.count)), ("Cookie", "a=b"), ("cookie", "c=d"),
                        ("Accept-Encoding", "gzip, br"), ("X-Umlaut", "grün ✓"), ("X-Empty", ""), ("x-last", "2"),
                    ], body: body))
            _ = try await agent.readResponse()
            let request = try #require(proxy.engine.requests.only)
            let encoding = path == Chat.path ? "identity" : "gzip, br"
            #expect(
                lines(request.rawHead) == [
                    "x-first: 1", "User-AGENT: a/1 (b; c)", "hOST: 127.0.0.1:\(proxy.engine.port)", "X-Dup: a",
                    "Accept: */*", "x-dup: b", "X-DUP: a, b", "Authorization: Bearer agent",
                    "Content-Length: \(body.count)", "Cookie: a=b", "cookie: c=d", "Accept-Encoding: \(encoding)",
                    "X-Umlaut: grün ✓", "X-Empty: ", "x-last: 2",
                ])
            #expect(request.body == body)
        }
    }

    @Test("White space after a value is removed")
    func spaceBehindValues() async throws {
        try await withProxy({ $0.apiKeys = [AccessKey("sk-ours")] }, script: Chat.engine.serve) { proxy in
            let agent = try await proxy.connect()
            try await agent.send(
                "POST \(Chat.path) HTTP/1.1\r\nHost: x \r\nAuthorization: Bearer sk-ours\t \r\n"
                    + "X-Verbatim-Session: a \r\nX-Blank: \t \r\nX-A: b c\t\r\n"
                    + "Content-Length: \(Chat.unary.utf8.count)\r\n\r\n\(Chat.unary)")
            #expect(try await agent.readResponse().status == 200)
            let request = try #require(proxy.engine.requests.only)
            #expect(request.header("X-Blank") == "" && request.header("X-A") == "b c")
            #expect(request.header("Authorization") == nil)
            #expect(try await proxy.finalRecords().map(\.session) == ["a"])
        }
    }

    @Test("Connection cannot remove headers that frame or route a request", arguments: routes)
    func connectionCannotNameTheFraming(path: String) async throws {
        try await withProxy(script: Chat.engine.serve) { proxy in
            let agent = try await proxy.connect()
            let named = ("Connection", "Content-Length, Host, Content-Type")
            let type = ("Content-Type", "application/json")
            try await agent.send(
                requestBytes("POST", path: path, headers: [named, type], body: Array(Chat.unary.utf8)))
            _ = try await agent.readResponse()
            #expect(proxy.engine.problems.isEmpty)
            let request = try #require(proxy.engine.requests.only)
            #expect(request.header("Content-Length") == String(request.body.count) && !request.body.isEmpty)
            #expect(request.header("Host") == "127.0.0.1:\(proxy.engine.port)")
            #expect(request.header("Content-Type") == nil)
        }
    }

    @Test("Connection cannot remove headers that frame a reply")
    func theReplysConnectionCannotNameTheFramingEither()
        async throws
    {
        try await withProxy(script: { exchange in
            let headers = [
                ("Connection", "content-length, x-hop"), ("X-Hop", "1"), ("Content-Type", "application/json"),
            ]
            try await exchange.respond(headers: headers, body: Chat.body())
        }) { proxy in
            for path in Self.routes {
                let agent = try await proxy.connect()
                for _ in 1...2 {
                    try await agent.send(requestBytes("POST", path: path, body: Array(Chat.unary.utf8)))
                    let response = try await agent.readResponse()
                    #expect(response.bodyText == Chat.body() && response.complete && response.header("X-Hop") == nil)
                }
            }
        }
    }

    static let replyHeaders = [
        ("date", "Sun, 22 Nov 2026 07:55:00 GMT"), ("Server", "uvicorn"), ("X-Request-ID", "req_1"), ("x-dup", "1"),
        ("Set-Cookie", "a=b; Path=/"), ("X-DUP", "2"), ("set-cookie", "c=d"), ("Set-Cookie", "a=b; Path=/"),
        ("Retry-After", "7"), ("openai-processing-ms", "12"), ("Content-Type", "application/json"),
        ("x-ratelimit-remaining-tokens", "149984"), ("X-Empty", ""), ("Vary", "Origin"),
    ]

    @Test("Headers of whole replies come as they were sent", arguments: routes, [200, 429, 503])
    func replyHeadersComeAsSent(path: String, status: Int) async throws {
        let body = Chat.body()
        try await withProxy(script: { exchange in
            let hops = [
                ("Keep-Alive", "timeout=5, max=100"), ("Connection", "X-Hop"), ("x-hop", "1"),
                ("Proxy-Connection", "x"),
                ("Proxy-Authenticate", "Basic"), ("Upgrade", "h2c"), ("TE", "x"),
            ]
            try await exchange.respond(
                status: status, reason: "As I Like It", headers: hops + Self.replyHeaders, body: body)
        }) { proxy in
            let response = try await post(port: proxy.port, path: path, body: Chat.unary)
            #expect(response.status == status && response.reason == "As I Like It" && response.bodyText == body)
            #expect(
                lines(response.rawHead)
                    == Self.replyHeaders.map { "\($0.0): \($0.1)" } + ["Content-Length: \(body.utf8.count)"])
        }
    }

    @Test("Headers of streams come as they were sent")
    func streamHeadersComeAsSent() async throws {
        try await withProxy(script: { exchange in
            try await exchange.startEventStream(
                headers: Self.replyHeaders.filter { $0.0 != "Content-Type" } + [
                    ("Content-Type", "text/event-stream; charset=utf-8")
                ])
            for event in [Chat.event(1), Chat.finish, "[DONE]"] { try await exchange.sendEvent(event) }
            try await exchange.finishStream()
        }) { proxy in
            let response = try await proxy.chat(Chat.stream)
            let expected = Self.replyHeaders.filter { $0.0 != "Content-Type" }.map { "\($0.0): \($0.1)" }
            #expect(
                lines(response.rawHead)
                    == expected + ["Content-Type: text/event-stream; charset=utf-8", "Transfer-Encoding: chunked"])
        }
    }

    @Test("Content-Length changes only with an edited body")
    func theLengthIsRecomputedOnlyForAnEditedBody()
        async throws
    {
        try await withProxy(script: { exchange in
            let plain = Chat.body()
            let edited = exchange.request.header("X-Plain") == nil
            let body = edited ? plain.replacing("\"logprobs\":null", with: #""logprobs":{"content":[]}"#) : plain
            let length = edited ? String(body.utf8.count) : "000\(body.utf8.count)"
            try await exchange.respond(
                headers: [("content-length", length), ("Content-Type", "application/json")], body: body)
        }) { proxy in
            let plain = try await proxy.chat(headers: [("X-Plain", "1")])
            #expect(lines(plain.rawHead).first == "content-length: 000\(Chat.body().utf8.count)")
            #expect(plain.bodyText == Chat.body())
            let edited = try await proxy.chat()
            #expect(edited.bodyText == Chat.body() && edited.complete)
            #expect(lines(edited.rawHead).first == "content-length: \(Chat.body().utf8.count)")
        }
    }

    @Test("Reason phrases are passed on", arguments: ["", "Two  Words", "not quite ok!"], routes)
    func reasonPhrasesPass(reason: String, path: String) async throws {
        try await withProxy(script: { exchange in
            try await exchange.send(
                "HTTP/1.1 100 Continue\r\nX: y\r\n\r\nHTTP/1.1 200 \(reason)\r\nContent-Length: 0\r\n\r\n")
        }) { proxy in
            let response = try await post(port: proxy.port, path: path, body: Chat.unary)
            #expect(response.status == 200 && response.reason == reason)
            #expect(String(decoding: response.rawHead, as: UTF8.self).hasPrefix("HTTP/1.1 200 \(reason)\r\n"))
        }
    }
}
