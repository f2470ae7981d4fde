import TestSupport
import Testing
import VerbatimAPI
import VerbatimProxy
import VerbatimTesting

@Suite(
    "Request smuggling: the engine gets exactly the requests that the proxy read, framed as it read them",
    .onOwnThreads, .timeLimit(.minutes(10)))
struct RequestSmugglingTests {
    /// The result of a request.
    enum Fate: Sendable {
        /// Refused with this status, after which the connection is closed.
        case refused(Int)
        /// Forwarded with these framing headers. The body is always `{}`.
        case length(String = "2")
        case chunks
    }

    struct Case: Sendable, CustomTestStringConvertible {
        let headers: String
        var body = "{}"
        let fate: Fate

        var testDescription: String { headers.debugDescription + (body == "{}" ? "" : " " + body.debugDescription) }
    }

    static let smuggled = "GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n"

    /// Contradictory or ambiguous framing.
    static let lengths: [Case] = [
        Case(headers: "Content-Length: 2\r\nTransfer-Encoding: chunked", body: "0\r\n\r\n", fate: .refused(400)),
        Case(headers: "Transfer-Encoding: chunked\r\nContent-Length: 2", body: "0\r\n\r\n", fate: .refused(400)),
        Case(headers: "Content-Length: 2\r\nTransfer-Encoding: identity", fate: .refused(400)),
        Case(headers: "Content-Length: 2\r\ncontent-length: 3", fate: .refused(400)),
        Case(headers: "Content-Length: 2\r\nContent-Length: 2", fate: .refused(400)),
        Case(headers: "Content-Length: 2, 2", fate: .refused(400)),
        Case(headers: "Content-Length: +2", fate: .refused(400)),
        Case(headers: "Content-Length: -2", fate: .refused(400)),
        Case(headers: "Content-Length: 2 2", fate: .refused(400)),
        Case(headers: "Content-Length: 0x2", fate: .refused(400)),
        Case(headers: "Content-Length: 2.0", fate: .refused(400)),
        Case(headers: "Content-Length: 2e0", fate: .refused(400)),
        Case(headers: "Content-Length:", fate: .refused(400)),
        Case(headers: "Content-Length: \u{B}2", fate: .refused(400)),
        Case(headers: "Content-Length: 18446744073709551618", fate: .refused(400)),
        Case(headers: "Content-Length: 99999999999999999999999", fate: .refused(400)),
        Case(headers: "Content-Length : 2", fate: .refused(400)),
        Case(headers: "Content-Length\t: 2", fate: .refused(400)),
        Case(headers: "Content-Length:2", fate: .length()),
        Case(headers: "Content-Length: \t 2  ", fate: .length("2  ")),
        Case(headers: "Content-Length: 2\t", fate: .refused(400)),
        Case(headers: "Content-Length: 002", fate: .length("002")),
    ]

    static let codings: [Case] =
        [
            "identity", "gzip", "gzip, identity", "xchunked", "chunkedx", "chunked, gzip", "chunked, chunked",
            "chunked,",
            ",chunked", "\u{B}chunked", "chunked\u{C}", "\"chunked\"", "'chunked'", "chunked;q=1", "chunked gzip",
            "chunked ", "",
            ",",
            "chunked\r\nTransfer-Encoding: chunked", "chunked\r\nTransfer-Encoding: identity",
            "chunked\r\nTransfer-Encoding: gzip", "identity\r\nTransfer-Encoding: gzip",
        ].map { Case(headers: "Transfer-Encoding: \($0)", body: chunks, fate: .refused(400)) }
        + ["gzip, chunked", "gzip,chunked", "gzip\r\nTransfer-Encoding: chunked", "gzip, deflate ,\tchunked"].map {
            // If forwarded as chunks only, the engine would take the compressed bytes for the body.
            Case(headers: "Transfer-Encoding: \($0)", body: chunks, fate: .refused(501))
        }
        + ["chunked", "CHUNKED", "\tchunked", "  chunked"].map {
            Case(headers: "Transfer-Encoding: \($0)", body: chunks, fate: .chunks)
        }

    /// Lines whose ends, folds or beginnings are read differently by some parsers.
    static let lines: [Case] = [
        "X-A: b\r\n c", "X-A: b\r\n\tc", "X-A:\r\n b", "X-A: b\nX-B: c", "X-A: b\rX-B: c", "X-A: b\r\r\nX-B: c",
        "X-A: b\r X-B: c", "X-A : b", " X-A: b", ": b", "X(A): b", "X A: b", "X\u{0}A: b", "X-A: b\u{0}c",
        "X-A: b\u{1}c", "X-A: b\u{7F}c", "X-A", "X-Ä: b", "X-A: b\n", "X-A: b\u{0}\nTransfer-Encoding: chunked",
        "X-A: \u{B}b", "Host: y", "X-A: b\r\nHost: x",
    ].map { Case(headers: "\($0)\r\nContent-Length: 2", fate: .refused(400)) }

    static let chunks = "2\r\n{}\r\n0\r\n\r\n"

    static let brokenChunks: [Case] = [
        "-2\r\n{}\r\n0\r\n\r\n", "+2\r\n{}\r\n0\r\n\r\n", "0x2\r\n{}\r\n0\r\n\r\n", " 2\r\n{}\r\n0\r\n\r\n",
        "2 \r\n{}\r\n0\r\n\r\n", "2\t\r\n{}\r\n0\r\n\r\n", "\r\n{}\r\n0\r\n\r\n", "2\n{}\r\n0\r\n\r\n",
        "2\r{}\r\n0\r\n\r\n", "2\r\n{}0\r\n\r\n", "2\r\n{}\n0\r\n\r\n", "2\r\n{}\r0\r\n\r\n", "2\r\n{}x\r\n0\r\n\r\n",
        "2\r\n{}\r\n0\n\n", "2\r\n{}\r\n0\r\n\n", "10000000000000002\r\n{}\r\n0\r\n\r\n",
        "ffffffffffffffff2\r\n{}\r\n0\r\n\r\n", "2;a\n\r\n{}\r\n0\r\n\r\n", "2;a\n{}\r\n0\r\n\r\n",
        "2;a=\"\n\"\r\n{}\r\n0\r\n\r\n", "2;a\u{0}\r\n{}\r\n0\r\n\r\n", "2;\r\n\r\n{}\r\n0\r\n\r\n",
        "2\r\n{}\r\n0\r\nX A: b\r\n\r\n", "2\r\n{}\r\n0\r\nX-A: b\nX-B: c\r\n\r\n", "2\r\n{}\r\n0\r\n: b\r\n\r\n",
        // Trailers must not contain framing or routing fields.
        "2\r\n{}\r\n0\r\nContent-Length: 5\r\n\r\n", "2\r\n{}\r\n0\r\nTransfer-Encoding: chunked\r\n\r\n",
    ].map { Case(headers: "Transfer-Encoding: chunked", body: $0, fate: .refused(400)) }

    static let wholeChunks: [Case] = [
        "2;a\r\n{}\r\n0\r\n\r\n", "2;a=b;c=\"d;e\"\r\n{}\r\n0;f\r\n\r\n",
        "2;\(String(repeating: "a", count: 50_000))\r\n{}\r\n0\r\n\r\n", "00000002\r\n{}\r\n000\r\n\r\n",
        "1\r\n{\r\n1\r\n}\r\n0\r\n\r\n",
        // Trailers are not forwarded.
        "2\r\n{}\r\n0\r\nHost: evil\r\nAuthorization: Bearer evil\r\nX-Sum: 1\r\n\r\n",
    ].map { Case(headers: "Transfer-Encoding: chunked", body: $0, fate: .chunks) }

    @Test("Attempts on a captured route", arguments: lengths + codings + lines + brokenChunks + wholeChunks)
    func onACapturedRoute(attempt: Case) async throws {
        try await play(attempt, at: Chat.path)
    }

    @Test("Attempts on a forwarded route", arguments: lengths + codings + lines + brokenChunks + wholeChunks)
    func onAForwardedRoute(attempt: Case) async throws {
        try await play(attempt, at: "/upload")
    }

    private func play(_ attempt: Case, at path: String) async throws {
        let isCaptured = path == Chat.path
        let engine = try await RecordingPort.start { $0.hasSuffix("{}") || $0.hasSuffix("0\r\n\r\n") }
        try await withProxy(
            {
                $0.upstreamURL = engine.url
                $0.capture = .text
            }, script: { _ in }
        ) { proxy in
            let agent = try await proxy.connect()
            let request = "POST \(path) HTTP/1.1\r\nHost: x\r\n\(attempt.headers)\r\n\r\n\(attempt.body)"
            if case .refused(let status) = attempt.fate {
                try await agent.send(request + Self.smuggled)
                let response = try await agent.readResponse()
                try #require(response.status == status && response.header("Connection") == "close")
                #expect(try OpenAIError(response.body).type == "invalid_request_error")
                #expect(await agent.waitUntilClosed() == .eof)
                #expect(agent.availableCount == 0, "one response only")
            } else {
                try await agent.send(request)
                let response = try await agent.readResponse()
                #expect(response.status == 200 && response.bodyText == "{}")
                await agent.close()
            }
            await proxy.stop()
            let received = await engine.finish()
            let start = "POST \(path) HTTP/1.1\r\nHost: 127.0.0.1:\(engine.port)\r\n"
            switch attempt.fate {
            case .refused:
                // The engine may have received the valid beginning of a body, but no end.
                #expect(received.isEmpty || (!isCaptured && received.hasPrefix(start)))
                #expect(!received.contains("0\r\n\r\n") && !received.contains("smuggled"))
            case .length(let length):
                let headers =
                    isCaptured ? "Content-Length: 2\r\nAccept-Encoding: identity" : "Content-Length: \(length)"
                #expect(received == "\(start)\(headers)\r\n\r\n{}")
            case .chunks where isCaptured:
                #expect(received == "\(start)Accept-Encoding: identity\r\nContent-Length: 2\r\n\r\n{}")
            case .chunks:
                let body = received.dropFirst("\(start)Transfer-Encoding: chunked\r\n\r\n".count)
                #expect(received.hasPrefix("\(start)Transfer-Encoding: chunked\r\n\r\n"))
                #expect(["2\r\n{}\r\n0\r\n\r\n", "1\r\n{\r\n1\r\n}\r\n0\r\n\r\n"].contains(String(body)))
            }
        }
    }

    @Test("A chunked HTTP/1.0 request is refused", arguments: [Chat.path, "/upload"])
    func chunksInAnOldRequest(path: String) async throws {
        try await expect(
            "POST \(path) HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n\(Self.chunks)", status: 400, engineGets: "")
    }

    @Test(
        "Bytes after a request to upgrade are not read as a request",
        arguments: ["h2c", "websocket", "TLS/1.0, HTTP/1.1"])
    func bytesAfterAnUpgradeAreNotARequest(protocol: String) async throws {
        let headers = "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: \(`protocol`)\r\nHTTP2-Settings: AAA"
        for (path, more) in [(Chat.path, "\r\nAccept-Encoding: identity"), ("/upload", "")] {
            try await expect(
                "POST \(path) HTTP/1.1\r\nHost: x\r\n\(headers)\r\nContent-Length: 2\r\n\r\n{}" + Self.smuggled,
                status: 200,
                engineGets: "POST \(path) HTTP/1.1\r\nHost: {engine}\r\nContent-Length: 2\(more)\r\n\r\n{}",
                closes: true)
        }
    }

    @Test("Requests after an invalid one are not executed, and those before it are")
    func requestsAfterAnInvalidOneAreNotExecuted() async throws {
        try await expect(
            "GET /first HTTP/1.1\r\nHost: x\r\n\r\nGET /bad HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: x\r\n\r\n"
                + Self.smuggled, status: 200, engineGets: "GET /first HTTP/1.1\r\nHost: {engine}\r\n\r\n", closes: true)
        try await expect(
            "GET /bad HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n" + Self.smuggled, status: 400, engineGets: "")
    }

    @Test("The body of a GET belongs to it")
    func aGetWithABody() async throws {
        let body = "GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n{}"
        try await expect(
            "GET /x HTTP/1.1\r\nHost: x\r\nContent-Length: \(body.utf8.count)\r\n\r\n\(body)", status: 200,
            engineGets: "GET /x HTTP/1.1\r\nHost: {engine}\r\nContent-Length: \(body.utf8.count)\r\n\r\n\(body)")
    }

    // MARK: Request lines

    @Test(
        "Request targets that are invalid or ambiguous are refused",
        arguments: [
            ("CONNECT example.org:443 HTTP/1.1", 501), ("TRACE / HTTP/1.1", 501), ("GET example.org:443 HTTP/1.1", 400),
            ("GET * HTTP/1.1", 400), ("GET /x HTTP/0.9", 400), ("GET /x HTTP/1.2", 400), ("GET /x HTTP/2.0", 400),
            ("PRI * HTTP/2.0", 400), ("GET /x", 400), ("get /x HTTP/1.1", 400), ("G\u{0}T /x HTTP/1.1", 400),
            ("GET /x#y HTTP/1.1", 400), ("GET #/x HTTP/1.1", 400), ("GET https://h#/x HTTP/1.1", 400),
            ("GET /ü HTTP/1.1", 400), ("GET /x y HTTP/1.1", 400), ("GET\t/x HTTP/1.1", 400), ("GET /x\tHTTP/1.1", 400),
            ("GET /\u{0} HTTP/1.1", 400), ("GET /\u{1} HTTP/1.1", 400), ("GET /x HTTP/1.1 ", 400),
            ("GET /x http/1.1", 400),
            ("GET /x HTTP/1.10", 400), ("GET /x HTTP /1.1", 400), ("GET ftp://h/x HTTP/1.1", 400),
            ("GET x HTTP/1.1", 400),
            ("GET \\x HTTP/1.1", 400), ("BREW /pot HTTP/1.1", 400),

            ("GET /\(String(repeating: "a", count: 70_000)) HTTP/1.1", 431),
        ])
    func targetsThatAreRefused(line: String, status: Int) async throws {
        try await expect("\(line)\r\nHost: x\r\n\r\n", status: status, engineGets: "")
    }

    @Test(
        "The engine gets a request line that cannot be read in two ways",
        arguments: [
            ("GET http://evil:1/x?y HTTP/1.1", "GET /x?y"), ("GET http://evil HTTP/1.1", "GET /"),
            ("GET http://evil?a=/x HTTP/1.1", "GET /?a=/x"), ("OPTIONS * HTTP/1.1", "OPTIONS *"),
            ("GET  /x HTTP/1.1", "GET /x"), ("GET /x  HTTP/1.1", "GET /x"), ("GET //h/p HTTP/1.1", "GET //h/p"),
            ("GET /a\\b HTTP/1.1", "GET /a\\b"), ("GET /a/../b HTTP/1.1", "GET /a/../b"),
            ("GET /a%0d%0aX-B:%20c HTTP/1.1", "GET /a%0d%0aX-B:%20c"), ("GET /%zz HTTP/1.1", "GET /%zz"),
            ("QUERY /x HTTP/1.1", "QUERY /x"), ("\r\n\r\nGET /x HTTP/1.1", "GET /x"),
            ("GET /a;b?c=/../d HTTP/1.1", "GET /a;b?c=/../d"), ("GET /x? HTTP/1.1", "GET /x?"),
            ("GET /x?? HTTP/1.1", "GET /x??"), ("GET http://evil? HTTP/1.1", "GET /?"),
        ])
    func targetsThatPass(line: String, expected: String) async throws {
        try await expect(
            "\(line)\r\nHost: evil\r\n\r\n", status: 200, engineGets: "\(expected) HTTP/1.1\r\nHost: {engine}\r\n\r\n")
    }

    @Test(
        "An invalid Host is refused",
        arguments: [
            ("", 400), ("Host: a\r\nHost: a\r\n", 400), ("Host: a\r\nhost: b\r\n", 400), ("Host: a, b\r\n", 400),
            ("Host: a b\r\n", 400), ("Host: a/b\r\n", 400), ("Host: u@a\r\n", 400), ("Host: a\\b\r\n", 400),
        ])
    func hostsThatAreRefused(headers: String, status: Int) async throws {
        try await expect("GET /x HTTP/1.1\r\n\(headers)\r\n", status: status, engineGets: "")
    }

    @Test("An HTTP/1.0 request needs no Host")
    func anOldRequestNeedsNoHost() async throws {
        try await expect(
            "GET /x HTTP/1.0\r\n\r\n", status: 200, engineGets: "GET /x HTTP/1.1\r\nHost: {engine}\r\n\r\n",
            closes: true)
    }

    // MARK: Headers that are the proxy's

    @Test("Connection cannot remove the framing, the engine's name or the operator's key")
    func connectionHeaderCannotRemoveProxyHeaders() async throws {
        let request =
            "POST /upload HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer agent\r\n"
            + "Connection: host, content-length, transfer-encoding, authorization, x-verbatim-session\r\n"
            + "X-Verbatim-Session: s\r\nContent-Length: 2\r\n\r\n{}"
        try await expect(
            request, status: 200,
            engineGets: "POST /upload HTTP/1.1\r\nContent-Length: 2\r\nHost: {engine}\r\n\r\n{}")
        try await expect(
            request, status: 200,
            engineGets:
                "POST /upload HTTP/1.1\r\nContent-Length: 2\r\nHost: {engine}\r\nAuthorization: Bearer sk\r\n\r\n{}",
            upstreamKey: "sk")
    }

    @Test(
        "A session id cannot inject headers",
        arguments: [
            ("GET /sessions/a%0d%0aX-Evil:%20b/v1/models HTTP/1.1\r\nHost: x\r\n\r\n"),
            ("GET /v1/models HTTP/1.1\r\nHost: x\r\nX-Verbatim-Session: a%0d%0ab\r\n\r\n"),
        ])
    func sessionsInjectNoHeaders(request: String) async throws {
        try await expect(request, status: 400, engineGets: "", closes: false)
    }

    @Test("Expectations other than 100-continue are refused", arguments: ["100-continue, x", "x", "200-ok"])
    func otherExpectationsFail(expectation: String) async throws {
        try await expect(
            "POST /upload HTTP/1.1\r\nHost: x\r\nExpect: \(expectation)\r\nContent-Length: 2\r\n\r\n{}", status: 417,
            engineGets: "")
    }

    /// Sends `request`; checks the status of the first answer, the connection's end, and what the engine received.
    private func expect(
        _ request: String, status: Int, engineGets expected: String, closes: Bool? = nil, upstreamKey: String? = nil,
        sourceLocation: SourceLocation = #_sourceLocation
    ) async throws {
        let engine = try await RecordingPort.start {
            $0.hasSuffix("{}") || $0.hasSuffix("\r\n\r\n") && !$0.contains("Length")
        }
        try await withProxy(
            {
                $0.upstreamURL = engine.url
                $0.capture = .text
                $0.upstreamAPIKey = upstreamKey
            }, script: { _ in }
        ) { proxy in
            let agent = try await proxy.connect()
            try await agent.send(request)
            let response = try await agent.readResponse()
            #expect(response.status == status, sourceLocation: sourceLocation)
            if closes ?? (status != 200) {
                try #require(response.header("Connection") == "close", sourceLocation: sourceLocation)
                #expect(await agent.waitUntilClosed() == .eof, sourceLocation: sourceLocation)
                #expect(agent.availableCount == 0, sourceLocation: sourceLocation)
            } else {
                try await agent.send("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
                #expect(try await agent.readResponse().bodyText == #"{"status":"ok"}"#, sourceLocation: sourceLocation)
                await agent.close()
            }
            await proxy.stop()
            let received = await engine.finish()
            let whole = expected.replacing("{engine}", with: "127.0.0.1:\(engine.port)")
            #expect(received == whole, sourceLocation: sourceLocation)
        }
    }
}
