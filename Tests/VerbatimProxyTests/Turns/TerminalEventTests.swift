import TestSupport
import Testing
import VerbatimTesting
import VerbatimProxy

@Suite("The terminal event reaches the agent", .onOwnThreads, .timeLimit(.minutes(10)))
struct TerminalEventTests {
    /// The last events of a stream, in each API.
    static let ends: [(path: String, terminal: String)] = [
        (Chat.path, "data: [DONE]\n\n"), ("/v1/completions", "data: [DONE]\n\n"),
        ("/v1/messages", "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n"),
        (
            "/v1/responses",
            "event: response.completed\ndata: {\"type\":\"response.completed\",\"response\":{\"output\":[]}}\n\n"
        ),
    ]

    @Test(
        "An engine that stops right behind it, without the end of the framing, is followed", arguments: ends,
        ["close", "reset"])
    func theEngineStops(end: (path: String, terminal: String), how: String) async throws {
        let files = GatedFileSystem(.shut)
        let mayStop = Monitor(false)
        try await withProxy(
            fileSystem: files.system, { $0.threads = 1 },
            script: { exchange in
                try await exchange.startEventStream()
                try await exchange.sendChunk(": wait\n\n")
                try await exchange.sendChunk(end.terminal)
                await mayStop.wait { $0 }
                if how == "close" { await exchange.close() } else { await exchange.reset() }
            }
        ) { proxy in
            let agent = try await proxy.connect()
            try await agent.send(requestBytes("POST", path: end.path, body: Array(Chat.stream.utf8)))
            await files.begun.wait { $0 > 0 }
            mayStop.update { $0 = true }
            await proxy.engine.waitForOpenConnections(atMost: 0)
            try await proxy.catchUp()
            files.set(.open)
            let rest = try await agent.readToEnd()
            #expect(rest.text.hasSuffix(end.terminal + "\r\n") && rest.end == .eof, "\(rest.text)")
            #expect(try await proxy.finalRecords().map(\.outcome) == ["completed"])
        }
    }

    /// The engine closes its connection behind `[DONE]` while the record is being written. Checks what the agent gets.
    private func closeBehindDone(
        _ connect: (ProxyHarness) async throws -> RawAgent, check: (_ rest: (text: String, end: CloseKind)) -> Void
    ) async throws {
        let files = GatedFileSystem(.shut)
        try await withProxy(
            fileSystem: files.system, { $0.threads = 1 },
            script: { exchange in
                try await exchange.startEventStream()
                try await exchange.sendEvent("[DONE]")
                await exchange.close()
            }
        ) { proxy in
            let agent = try await connect(proxy)
            await files.begun.wait { $0 > 0 }
            await proxy.engine.waitForOpenConnections(atMost: 0)
            try await proxy.catchUp()
            files.set(.open)
            check(try await agent.readToEnd())
        }
    }

    @Test("An agent of HTTP/1.0 gets it, and the end of its connection")
    func anOldAgent() async throws {
        try await closeBehindDone { proxy in
            let agent = try await proxy.connect()
            try await agent.send(
                "POST \(Chat.path) HTTP/1.0\r\nContent-Length: \(Chat.stream.utf8.count)\r\n\r\n\(Chat.stream)")
            return agent
        } check: { rest in
            #expect(rest.text.hasSuffix("data: [DONE]\n\n") && rest.end == .eof)
        }
    }

    @Test("An agent that has closed its sending half gets it")
    func aHalfClosedAgent() async throws {
        try await closeBehindDone { proxy in
            let agent = try await proxy.startChat(Chat.stream)
            try await agent.halfClose()
            return agent
        } check: { rest in
            #expect(rest.text.hasSuffix("data: [DONE]\n\n\r\n"), "\(rest.text)")
        }
    }

    @Test(
        "So does what an engine sends in the same moment in which it breaks off", arguments: [Chat.path, "/v1/x"],
        [(isHeadApart: true, isMalformed: false), (true, true), (false, false), (false, true)])
    func theLastBytesBeforeABreak(path: String, how: (isHeadApart: Bool, isMalformed: Bool)) async throws {
        let event = "data: {\"choices\":[]}\n\n"
        let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
        try await withProxy(script: { exchange in
            let rest = "\(String(event.utf8.count, radix: 16))\r\n\(event)\r\n\(how.isMalformed ? "xyz\r\n" : "")"
            for part in how.isHeadApart ? [head, rest] : [head + rest] { try await exchange.send(part) }
            await exchange.close()
        }) { proxy in
            let agent = try await proxy.connect()
            try await agent.send(requestBytes("POST", path: path, body: Array(Chat.stream.utf8)))
            let rest = try await agent.readToEnd()
            #expect(rest.text.hasSuffix(event + "\r\n") && rest.end == .eof, "\(rest.text)")
        }
    }
}
