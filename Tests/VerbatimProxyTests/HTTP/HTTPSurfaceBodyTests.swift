import NIOCore
import TestSupport
import Testing
import VerbatimAPI
import VerbatimHTTP
import VerbatimProxy
import VerbatimTesting

@Suite("Bodies of requests", .onOwnThreads, .timeLimit(.minutes(10)))
struct HTTPSurfaceBodyTests {
    private static func chunked(_ path: String, headers: String = "", pieces: [String]) -> String {
        "POST \(path) HTTP/1.1\r\nHost: x\r\n\(headers)Transfer-Encoding: chunked\r\n\r\n"
            + pieces.map { "\(String($0.utf8.count, radix: 16))\r\n\($0)\r\n" }.joined() + "0\r\nX-Sum: 1\r\n\r\n"
    }

    @Test("A chunked request is captured")
    func aChunkedRequestIsCaptured() async throws {
        try await withProxy({ $0.capture = .text }, script: Chat.engine.serve) { proxy in
            let agent = try await proxy.connect()
            for _ in 1...2 {
                try await agent.send(Self.chunked(Chat.path, pieces: Chat.unary.map { String($0) }))
                #expect(try await agent.readResponse().status == 200)
            }
            for request in proxy.engine.requests {
                #expect(request.bodyText == Chat.unary)
                #expect(request.header("Content-Length") == String(Chat.unary.utf8.count))
                #expect(request.header("Transfer-Encoding") == nil)
            }
            #expect(try await proxy.finalRecords().count == 2)
        }
    }

    @Test("A chunked request is forwarded")
    func aChunkedRequestIsForwarded() async throws {
        try await withProxy(script: { try await $0.respond(body: $0.request.body) }) { proxy in
            let agent = try await proxy.connect()
            for _ in 1...2 {
                try await agent.send(Self.chunked("/upload", pieces: ["one", "two", "three"]))
                #expect(try await agent.readResponse().bodyText == "onetwothree")
            }
            #expect(proxy.engine.requests.allSatisfy { $0.header("Transfer-Encoding") == "chunked" })
            #expect(proxy.engine.requests.allSatisfy { $0.header("Content-Length") == nil })
        }
    }

    @Test("An upload larger than any buffer streams through", arguments: [true, false])
    func aLargeUploadStreamsThrough(isChunked: Bool) async throws {
        try await withProxy(
            { $0.maximumBodySize = 1000 },
            script: { exchange in
                try await exchange.respond(
                    body: "\(exchange.request.body.count) \(exchange.request.body.allSatisfy { $0 == 120 })")
            }
        ) { proxy in
            let body = String(repeating: "x", times: 1 << 20)
            let agent = try await proxy.connect()
            if isChunked {
                try await agent.send(Self.chunked("/upload", pieces: Array(repeating: body, count: 5)))
            } else {
                try await agent.send("PUT /upload HTTP/1.1\r\nHost: x\r\nContent-Length: \(5 << 20)\r\n\r\n")
                for _ in 0..<5 { try await agent.send(body) }
            }
            #expect(try await agent.readResponse().bodyText == "\(5 << 20) true")
        }
    }

    @Test("A reply that the engine sends before the end of an upload is passed on")
    func earlyReplyIsPassedOn()
        async throws
    {
        let port = try await SilentPort(answer: "HTTP/1.1 413 Enough\r\nContent-Length: 2\r\n\r\nno")
        try await withProxy({ $0.upstreamURL = "http://127.0.0.1:\(port.port)" }, script: { _ in }) { proxy in
            let agent = try await proxy.connect()
            try await agent.send("POST /upload HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\nstart")
            let response = try await agent.readResponse()
            #expect(response.status == 413 && response.reason == "Enough" && response.bodyText == "no")
            #expect(response.header("Connection") == "close", "a next request would get no reply")
            try await agent.send(String(repeating: "x", count: 100_000))
            #expect(await agent.waitUntilClosed() == .eof)
        }
        await port.stop()
    }

    // MARK: Expect: 100-continue

    @Test("A request that expects 100-continue gets 100 Continue", arguments: [Chat.path, "/v1/embeddings"])
    func continuesWhenAsked(path: String) async throws {
        try await withProxy(script: { exchange in
            if exchange.request.target == Chat.path {
                try await Chat.engine.serve(exchange)
            } else {
                try await exchange.respond(body: exchange.request.body)
            }
        }) { proxy in
            let agent = try await proxy.connect()
            for _ in 1...2 {
                let length = Chat.unary.utf8.count
                try await agent.send(
                    "POST \(path) HTTP/1.1\r\nHost: x\r\nContent-Length: \(length)\r\nExpect: 100-Continue\r\n\r\n")
                #expect(try await agent.readResponse().status == 100)
                try await agent.send(Chat.unary)
                let response = try await agent.readResponse()
                #expect(response.status == 200 && response.complete)
            }
            #expect(proxy.engine.requests.allSatisfy { $0.header("Expect") == nil })
        }
    }

    @Test("An HTTP/1.0 agent gets no 100 Continue")
    func http10AgentGetsNoContinue() async throws {
        try await withProxy(script: Chat.engine.serve) { proxy in
            let agent = try await proxy.connect()
            let length = Chat.unary.utf8.count
            try await agent.send(
                "POST \(Chat.path) HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: \(length)\r\n\r\n")
            try await agent.send(Chat.unary)
            #expect(try await agent.readResponse().status == 200)
        }
    }

    // MARK: Bodies that are too large

    @Test("A body that is declared too long is refused before it is sent")
    func tooLargeBodyIsRefusedBeforeItIsSent()
        async throws
    {
        try await withProxy({ $0.maximumBodySize = 100 }, script: Chat.engine.serve) { proxy in
            let agent = try await proxy.connect()
            try await agent.send(
                "POST \(Chat.path) HTTP/1.1\r\nHost: x\r\nContent-Length: 101\r\nExpect: 100-continue\r\n\r\n")
            let response = try await agent.readResponse()
            #expect(response.status == 413 && response.complete && response.header("Connection") == "close")
            #expect(try OpenAIError(response.body).code == "body_too_large")
            #expect(await agent.waitUntilClosed() == .eof)
            let fits = String(repeating: " ", count: 100 - 2) + "{}"
            #expect(try await proxy.chat(fits).status != 413)
            #expect(try await proxy.finalRecords().map(\.turn) == [1])
        }
    }

    @Test(
        "A Content-Length that is no number below 2^63 is refused",
        arguments: [
            "9223372036854775808", "18446744073709551615", "18446744073709551616", "99999999999999999999999", "+5",
            "0x5", "5, 5", "-1", "5 5", "1e1", "٣",
        ], [Chat.path, "/v1/files", "/healthz"])
    func noLength(length: String, path: String) async throws {
        try await withProxy(script: Chat.engine.serve) { proxy in
            let agent = try await proxy.connect()
            try await agent.send("POST \(path) HTTP/1.1\r\nHost: x\r\nContent-Length: \(length)\r\n\r\n{")
            #expect(try await agent.readResponse().status == 400)
            #expect(proxy.engine.requests.isEmpty)
        }
    }

    @Test(
        "The refusal of a large body can be read after all of the body was sent, however slowly",
        arguments: ["chunked", "length", "slow"])
    func theRefusalCanBeRead(kind: String) async throws {
        let clock = ManualClock()
        try await withProxy(
            {
                $0.clock = HTTPClock(clock)
                $0.threads = 1
                $0.maximumBodySize = 100_000
                $0.lingerSilence = .seconds(2)
            }, script: Chat.engine.serve
        ) { proxy in
            let agent = try await proxy.connect()
            try await agent.stopReading()
            let piece = String(repeating: "x", count: 200_000)
            if kind == "chunked" {
                try await agent.send(Self.chunked(Chat.path, pieces: Array(repeating: piece, count: 10)))
            } else {
                try await agent.send("POST \(Chat.path) HTTP/1.1\r\nHost: x\r\nContent-Length: 2000000\r\n\r\n")
                for _ in 0..<10 {
                    // Each pause is shorter than an agent may be silent; together they are longer.
                    if kind == "slow" { try await clock.advance(by: .milliseconds(1500)) }
                    try await agent.send(piece)
                    try await proxy.catchUp()
                }
            }
            // The connection may have ended by now, with the reply in the agent's buffer.
            try? await agent.resumeReading()
            let response = try await agent.readResponse()
            #expect(response.status == 413 && response.complete)
            #expect(await agent.waitUntilClosed() == .eof)
            await agent.close()
            #expect(try await proxy.finalRecords().isEmpty && proxy.engine.requests.isEmpty)
        }
    }

    @Test("Bytes after a refused body are not read as a request")
    func bytesAfterARefusedBodyAreNotARequest() async throws {
        try await withProxy({ $0.maximumBodySize = 100 }, script: Chat.engine.serve) { proxy in
            let agent = try await proxy.connect()
            try await agent.send(
                Self.chunked(Chat.path, pieces: [String(repeating: "x", count: 200)])
                    + "GET /v1/models HTTP/1.1\r\nHost: x\r\n\r\n")
            let rest = try await agent.readToEnd()
            #expect(rest.text.hasPrefix("HTTP/1.1 413 ") && !rest.text.dropFirst().contains("HTTP/1.1"))
            #expect(proxy.engine.requests.isEmpty)
        }
    }
}
