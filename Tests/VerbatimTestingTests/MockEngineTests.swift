import VerbatimTesting
import TestSupport
import Testing

@Suite("The mock engine", .timeLimit(.minutes(10)))
struct MockEngineTests {
    @Test("Requests are recorded as they arrive")
    func recordsRequestsAsTheyArrive() async throws {
        let engine = try await MockEngine.start {
            try await $0.respond(headers: [("X-A", "1"), ("x-a", "")], body: "hi")
        }
        let agent = try await RawAgent.connect(port: engine.port)
        let bytes =
            "POST /a?b HTTP/1.1\r\nHOST: x\r\nX-One:  two words \r\nx-one: 3\r\nTransfer-Encoding: chunked\r\n\r\n"
            + "3;x=y\r\nabc\r\n2\r\nde\r\n0\r\nT: u\r\n\r\n"
        try await agent.send(bytes + bytes)
        for byte in bytes.utf8 { try await agent.send([byte]) }
        for _ in 0..<3 {
            let response = try await agent.readResponse()
            #expect(response.status == 200 && response.complete && response.bodyText == "hi" && response.end == nil)
            #expect(response.headerValues("X-A") == ["1", ""] && response.header("content-length") == "2")
        }
        #expect(engine.requests.count == 3 && engine.problems.isEmpty)
        for request in engine.requests {
            #expect(request.method == "POST" && request.target == "/a?b" && request.version == "HTTP/1.1")
            #expect(request.headers.map(\.name) == ["HOST", "X-One", "x-one", "Transfer-Encoding"])
            #expect(request.headerValues("x-ONE") == ["two words", "3"] && request.trailers.map(\.value) == ["u"])
            #expect(request.bodyText == "abcde" && request.connection == 0)
        }
        #expect(engine.connectionCount == 1 && engine.openConnectionCount == 1)
        await agent.close()
        await engine.waitForOpenConnections(atMost: 0)
        await engine.stop()
    }

    @Test(
        "Bytes that are not a request are recorded as a problem",
        arguments: [
            "GET / HTTP/1.1\r\nBad Header: 1\r\n\r\n", "GET /\r\n\r\n",
            "POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\na",
            "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        ])
    func refusesWhatIsNotARequest(bytes: String) async throws {
        let engine = try await MockEngine.start { try await $0.respond() }
        let agent = try await RawAgent.connect(port: engine.port)
        try await agent.send(bytes)
        #expect(try await agent.readResponse().status == 400)
        #expect(await agent.waitUntilClosed() == .eof)
        #expect(engine.problems.count == 1 && engine.requests.isEmpty)
        await engine.stop()
    }

    @Test(
        "A script ends a stream in any way",
        arguments: [("/", CloseKind?.none), ("/close", .eof), ("/throw", .eof), ("/reset", .reset)])
    func endsStreamsInEveryWay(path: String, end: CloseKind?) async throws {
        let received = Monitor(false)
        let engine = try await MockEngine.start { exchange in
            try await exchange.startEventStream()
            try await exchange.sendEvent("one")
            try await exchange.sendEvent("two")
            await received.wait { $0 }
            switch exchange.request.target {
            case "/close": await exchange.close()
            case "/throw": throw CancellationError()
            case "/reset": await exchange.reset()
            default: try await exchange.finishStream()
            }
        }
        let agent = try await RawAgent.connect(port: engine.port)
        try await agent.send(requestBytes("POST", path: path, body: Array("{}".utf8)))
        // The whole stream has to be here before a reset, which discards what is still on its way.
        let soFar = try await agent.read(until: "data: two\n\n\r\n")
        received.update { $0 = true }
        if end == nil {
            #expect(try await agent.read(until: "\r\n\r\n") == Array("0\r\n\r\n".utf8))
            #expect(!agent.isClosed)
        } else {
            #expect(await agent.waitUntilClosed() == end)
        }
        #expect(String(decoding: soFar, as: UTF8.self).contains("\r\n\r\nb\r\ndata: one\n\n\r\n"))
        await agent.close()
        await engine.stop()
    }

    @Test("A script notices that the peer has left", arguments: ["close", "reset", "half"])
    func noticesThatThePeerLeft(how: String) async throws {
        let hasNoticed = Monitor(false)
        let engine = try await MockEngine.start { exchange in
            try await exchange.startEventStream()
            try await exchange.sendEvent("one")
            await exchange.peerClosed()
            hasNoticed.update { $0 = true }
        }
        let agent = try await RawAgent.connect(port: engine.port)
        try await agent.send(requestBytes("GET", path: "/"))
        _ = try await agent.read(until: "one\n\n\r\n")
        #expect(!hasNoticed.state)
        switch how {
        case "close": await agent.close()
        case "reset": await agent.reset()
        default: try await agent.halfClose()
        }
        await hasNoticed.wait { $0 }
        await engine.waitForOpenConnections(atMost: 0)
        await engine.stop()
    }

    @Test("Stopping releases everyone who waits")
    func stoppingReleasesEveryoneWhoWaits() async throws {
        let engine = try await MockEngine.start { await $0.peerClosed() }
        let agent = try await RawAgent.connect(port: engine.port)
        try await agent.send(requestBytes("GET", path: "/"))
        await engine.waitForRequests(1)
        async let second: Void = engine.waitForRequests(2)
        await engine.stop()
        await second
        await agent.waitUntilClosed()
        await #expect(throws: (any Error).self) { try await RawAgent.connect(port: engine.port) }
    }

    @Test("A body without framing ends with its connection")
    func bodiesWithoutFramingEndWithTheConnection() async throws {
        let engine = try await MockEngine.start { exchange in
            let cut = exchange.request.target == "/cut" ? "Content-Length: 9\r\n" : ""
            try await exchange.send("HTTP/1.1 200 OK\r\n\(cut)\r\nabc")
            await exchange.close()
        }
        let whole = try await get(port: engine.port, path: "/")
        #expect(whole.complete && whole.bodyText == "abc" && whole.end == .eof)
        let cut = try await get(port: engine.port, path: "/cut")
        #expect(!cut.complete && cut.bodyText == "abc" && cut.end == .eof)
        await engine.stop()
    }

    @Test("An agent can stop reading and continue")
    func anAgentCanStopReadingAndGoOn() async throws {
        let sent = Monitor(0)
        let engine = try await MockEngine.start { exchange in
            try await exchange.startEventStream()
            for _ in 0..<400 {
                try await exchange.sendChunk([UInt8](repeating: 66, count: 100_000))
                sent.update { $0 += 1 }
            }
            try await exchange.finishStream()
        }
        let agent = try await RawAgent.connect(port: engine.port, receiveBuffer: 65_536)
        try await agent.stopReading()
        try await agent.send(requestBytes("GET", path: "/"))
        await sent.wait { $0 > 0 }
        #expect(agent.availableCount == 0)
        try await agent.resumeReading()
        let response = try await agent.readResponse()
        #expect(response.complete && response.body.count == 40_000_000 && response.chunks.count == 400)
        await engine.stop()
    }
}
