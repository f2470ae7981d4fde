import VerbatimTesting
import TestSupport
import Testing
import Verbatim

/// §2, §10: the proxy is told to stop.
@Suite(.onOwnThreads, .timeLimit(.minutes(3))) struct ShutdownTests {
    /// Comes back when new connections are refused.
    private func untilRefused(_ port: Int) async {
        while let agent = try? await RawAgent.connect(port: port) { await agent.close() }
    }

    @Test func idleConnectionsAreClosed() async throws {
        try await withProxy({ $0.shutdownGrace = .seconds(3600) }, script: Chat.engine.serve) { proxy in
            let used = try await proxy.startChat()
            _ = try await used.readResponse()
            let fresh = try await proxy.connect()
            let begun = try await proxy.connect()
            try await begun.send("POST /v1/chat/compl")
            #expect(try await get(port: proxy.port, path: "/healthz").status == 200)
            await proxy.stop()
            for agent in [used, fresh, begun] { _ = await agent.waitUntilClosed() }
            await proxy.engine.waitForOpenConnections(atMost: 0)
            await #expect(throws: (any Error).self) { try await RawAgent.connect(port: proxy.port) }
            #expect(try proxy.records().map(\.outcome) == ["completed"])
        }
    }

    @Test(arguments: Stage.allCases)
    func runningTurnsFinish(stage: Stage) async throws {
        let mayEnd = Monitor(false)
        try await withProxy(
            { $0.shutdownGrace = .seconds(3600) },
            script: Chat.warmable { exchange in
                try await stage.play(exchange)
                await mayEnd.wait { $0 }
                try await stage.finish(exchange)
            }
        ) { proxy in
            try await stage.prepare(proxy)
            let agent = try await proxy.startChat(stage.request)
            await proxy.engine.waitForRequests(1 + stage.recordsBefore)
            try await stage.readVisiblePart(agent)
            async let stopped: Void = proxy.stop()
            await untilRefused(proxy.port)
            mayEnd.update { $0 = true }
            let rest = try await agent.readToEnd()
            #expect(rest.end == .eof)
            #expect(
                stage.isUnary ? rest.text.hasPrefix("HTTP/1.1 200 ") : rest.text.hasSuffix("[DONE]\n\n\r\n0\r\n\r\n"))
            await stopped
            #expect(try proxy.records().last?.outcome == "completed")
            #expect(try proxy.records().count == 1 + stage.recordsBefore)
        }
    }

    @Test(arguments: Stage.allCases)
    func turnsThatTakeTooLongAreCutOff(stage: Stage) async throws {
        let isClosed = Monitor(false)
        try await withProxy(
            { $0.shutdownGrace = .milliseconds(200) },
            script: Chat.warmable { exchange in
                // On a slow machine the connection may be closed before the engine has said all this.
                defer { isClosed.update { $0 = true } }
                try await stage.play(exchange)
                await exchange.peerClosed()
            }
        ) { proxy in
            try await stage.prepare(proxy)
            let agent = try await proxy.startChat(stage.request)
            await proxy.engine.waitForRequests(1 + stage.recordsBefore)
            try await stage.readVisiblePart(agent)
            async let stopped: Void = proxy.stop()
            if stage.agentHasHead {
                try await agent.expectAbort()
            } else {
                let response = try await agent.readResponse()
                #expect(response.status == 503 && response.complete)
                #expect(try OpenAIError(response.body).code == "shutting_down")
                #expect(await agent.waitUntilClosed() == .eof)
            }
            await stopped
            await isClosed.wait { $0 }
            let records = try proxy.records()
            #expect(records.count == 1 + stage.recordsBefore)
            let record = try #require(records.last)
            #expect(record.outcome == "shutdown" && !record.isComplete)
            #expect(record.status == (stage.agentHasHead ? 200 : 503) && record.tokenIDs == stage.tokenIDs)
        }
    }

    /// A request whose body is still on its way is no turn yet.
    @Test func requestsThatTakeTooLongAreNoTurns() async throws {
        try await withProxy({ $0.shutdownGrace = .milliseconds(200) }, script: Chat.engine.serve) { proxy in
            let agent = try await proxy.connect()
            try await agent.send("POST \(Chat.path) HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{")
            let forwarded = try await proxy.connect()
            try await forwarded.send("POST /upload HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{")
            #expect(try await get(port: proxy.port, path: "/healthz").status == 200)
            await proxy.stop()
            _ = await agent.waitUntilClosed()
            _ = await forwarded.waitUntilClosed()
            #expect(try proxy.records().isEmpty)
        }
    }

    /// Part of a large reply is still on its way to an agent that reads slowly.
    @Test(arguments: [Chat.path, "/v1/files"])
    func finishedRepliesAreSentToTheirEnd(path: String) async throws {
        let body = Chat.body(content: String(repeating: "x", count: 16 << 20))
        let sent = Monitor(false)
        try await withProxy(
            { $0.shutdownGrace = .seconds(3600) },
            script: { exchange in
                try await exchange.respond(headers: [("Content-Type", "application/json")], body: body)
                sent.update { $0 = true }
            }
        ) { proxy in
            let agent = try await proxy.connect(receiveBuffer: 256 << 10)
            try await agent.send(requestBytes("POST", path: path, body: Array(Chat.unary.utf8)))
            _ = try await agent.read(until: "\r\n\r\n")
            try await agent.stopReading()
            if path == Chat.path { await sent.wait { $0 } }
            async let stopped: Void = proxy.stop()
            await untilRefused(proxy.port)
            try? await agent.resumeReading()
            #expect(try await agent.read(count: body.utf8.count) == Array(body.utf8))
            #expect(await agent.waitUntilClosed() == .eof)
            await stopped
        }
    }
}
