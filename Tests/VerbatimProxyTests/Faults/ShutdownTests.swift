import NIOCore
import TestSupport
import Testing
import VerbatimHTTP
import VerbatimProxy
import VerbatimTesting

@Suite("Shutdown", .onOwnThreads, .timeLimit(.minutes(10)))
struct ShutdownTests {
    /// Returns when new connections are refused.
    private func untilRefused(_ port: Int) async {
        while let agent = try? await RawAgent.connect(port: port) { await agent.close() }
    }

    @Test("Idle connections are closed")
    func idleConnectionsAreClosed() async throws {
        try await withProxy(script: Chat.engine.serve) { proxy in
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

    @Test("Running turns finish within the grace period", arguments: Stage.allCases)
    func runningTurnsFinish(stage: Stage) async throws {
        let mayEnd = Monitor(false)
        try await withProxy(
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

    @Test("Turns that outlast the grace period are cut off and recorded", arguments: Stage.allCases)
    func turnsThatTakeTooLongAreCutOff(stage: Stage) async throws {
        let clock = ManualClock()
        let isClosed = Monitor(false)
        try await withProxy(
            {
                $0.clock = HTTPClock(clock)
                $0.threads = 1
                $0.shutdownGrace = .seconds(10)
            },
            script: Chat.warmable { exchange in
                // The connection may be closed before the engine has sent everything.
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
            await clock.waitForTimer(in: .seconds(10))
            try await clock.advance(by: .seconds(10))
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

    @Test("A request whose body has not arrived is not a turn")
    func requestsThatTakeTooLongAreNoTurns() async throws {
        let clock = ManualClock()
        try await withProxy(
            {
                $0.clock = HTTPClock(clock)
                $0.threads = 1
                $0.shutdownGrace = .seconds(10)
            }, script: Chat.engine.serve
        ) { proxy in
            let agent = try await proxy.connect()
            try await agent.send("POST \(Chat.path) HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{")
            let forwarded = try await proxy.connect()
            try await forwarded.send("POST /upload HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{")
            try await proxy.catchUp()
            async let stopped: Void = proxy.stop()
            await clock.waitForTimer(in: .seconds(10))
            try await clock.advance(by: .seconds(10))
            // The refused upload is drained, since the agent may not have read the refusal.
            await clock.waitForTimer(in: .seconds(2))
            try await clock.advance(by: .seconds(2))
            await stopped
            _ = await agent.waitUntilClosed()
            _ = await forwarded.waitUntilClosed()
            #expect(try proxy.records().isEmpty)
        }
    }

    @Test("The rest of a large reply is sent to a slow agent", arguments: [Chat.path, "/v1/files"])
    func finishedRepliesAreSentToTheirEnd(path: String) async throws {
        let body = Chat.body(content: String(repeating: "x", times: 16 << 20))
        let sent = Monitor(false)
        try await withProxy(
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
