import VerbatimTesting
import TestSupport
import Testing
import Verbatim

/// §6: the engine takes too long.
@Suite(.onOwnThreads, .timeLimit(.minutes(10))) struct TimeoutTests {
    enum Limit: CaseIterable, Sendable {
        case request, idle

        func set(_ configuration: inout ProxyConfiguration, isPatient: Bool) {
            let time = Duration.seconds(isPatient ? 40 : 5)
            switch self {
            case .request: configuration.requestTimeout = time
            case .idle: configuration.idleTimeout = time
            }
        }

        var flag: String {
            switch self {
            case .request: "--request-timeout"
            case .idle: "--idle-timeout"
            }
        }
    }

    @Test(arguments: Stage.allCases, Limit.allCases)
    func endsTheTurn(stage: Stage, limit: Limit) async throws {
        try await withPatience { try await endsTheTurn(stage: stage, limit: limit, isPatient: $0) }
    }

    private func endsTheTurn(stage: Stage, limit: Limit, isPatient: Bool) async throws {
        let isClosed = Monitor(false)
        try await withProxy(
            { limit.set(&$0, isPatient: isPatient) },
            script: Chat.warmable { exchange in
                try await stage.play(exchange)
                await exchange.peerClosed()
                isClosed.update { $0 = true }
            }
        ) { proxy in
            try await stage.prepare(proxy)
            let agent = try await proxy.startChat(stage.request)
            if stage.agentHasHead {
                try await stage.readVisiblePart(agent)
                try await agent.expectAbort()
            } else {
                let response = try await agent.readResponse()
                #expect(response.status == 504 && response.complete)
                #expect(try OpenAIError(response.body).message.contains(limit.flag))
                #expect(!agent.isClosed)
            }
            await isClosed.wait { $0 }
            let records = try await proxy.finalRecords()
            #expect(records.count == 1 + stage.recordsBefore)
            let record = try #require(records.last)
            #expect(record.outcome == "timeout")
            #expect(record.status == (stage.agentHasHead ? 200 : 504))
            #expect(record.tokenIDs == stage.tokenIDs && !record.isComplete)
            if !stage.agentHasHead {
                #expect(record.upstreamStatus == stage.engineStatus)
                #expect(record.upstreamError?.contains(limit.flag) == true)
            }
        }
    }

    @Test(arguments: Limit.allCases)
    func endsWhatIsForwarded(limit: Limit) async throws {
        try await withPatience { try await endsWhatIsForwarded(limit: limit, isPatient: $0) }
    }

    private func endsWhatIsForwarded(limit: Limit, isPatient: Bool) async throws {
        try await withProxy(
            { limit.set(&$0, isPatient: isPatient) },
            script: { exchange in
                if exchange.request.target == "/behind" {
                    try await exchange.send("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nstart")
                }
                await exchange.peerClosed()
            }
        ) { proxy in
            let before = try await get(port: proxy.port, path: "/before")
            #expect(before.status == 504 && before.bodyText.contains(limit.flag))
            let behind = try await get(port: proxy.port, path: "/behind")
            #expect(behind.status == 200 && !behind.complete && behind.bodyText == "start")
            await proxy.engine.waitForOpenConnections(atMost: 0)
        }
    }

    /// A stream that says something now and then is not silent, however long it takes.
    @Test func anEngineThatSpeaksIsNotSilent() async throws {
        try await withPatience { try await anEngineThatSpeaksIsNotSilent(scale: $0 ? 8 : 1) }
    }

    private func anEngineThatSpeaksIsNotSilent(scale: Int) async throws {
        try await withProxy(
            { $0.idleTimeout = .seconds(5 * scale) },
            script: { exchange in
                try await exchange.startEventStream()
                // Longer than the limit in all, each pause far shorter.
                for number in 1...10 {
                    try await Task.sleep(for: .milliseconds(600 * scale))
                    try await number == 3
                        ? exchange.sendChunk(": still here\n\n") : exchange.sendEvent(Chat.event(number))
                }
                for event in [Chat.finish, "[DONE]"] { try await exchange.sendEvent(event) }
                try await exchange.finishStream()
            }
        ) { proxy in
            let response = try await proxy.chat(Chat.stream)
            #expect(response.complete && response.bodyText.hasSuffix("data: [DONE]\n\n"))
            #expect(try await proxy.finalRecords().map(\.outcome) == ["completed"])
        }
    }

    /// The turns of a connection share a clock, but not their time.
    @Test func everyTurnHasTheWholeTime() async throws {
        try await withPatience { try await everyTurnHasTheWholeTime(scale: $0 ? 8 : 1) }
    }

    private func everyTurnHasTheWholeTime(scale: Int) async throws {
        let turns = Monitor(0)
        try await withProxy(
            { $0.requestTimeout = .seconds(5 * scale) },
            script: { exchange in
                let turn = turns.update { turns in
                    turns += 1
                    return turns
                }
                if turn == 3 {
                    await exchange.peerClosed()
                } else {
                    try await Task.sleep(for: .milliseconds(3000 * scale))
                    try await Chat.engine.serve(exchange)
                }
            }
        ) { proxy in
            let agent = try await proxy.connect()
            for turn in 1...3 {
                try await agent.send(requestBytes("POST", path: Chat.path, body: Array(Chat.unary.utf8)))
                let response = try await agent.readResponse()
                #expect(response.status == (turn < 3 ? 200 : 504) && response.complete)
            }
            let outcomes = try await proxy.finalRecords().map(\.outcome)
            #expect(outcomes == ["completed", "completed", "timeout"])
        }
    }

    /// It is the agent that keeps the engine from speaking: that is not the engine's silence.
    @Test(arguments: [Chat.path, "/v1/files"])
    func aSlowAgentIsNotASilentEngine(path: String) async throws {
        try await withPatience { try await aSlowAgentIsNotASilentEngine(path: path, scale: $0 ? 8 : 1) }
    }

    private func aSlowAgentIsNotASilentEngine(path: String, scale: Int) async throws {
        let large = Array(("data: " + String(repeating: "x", count: (1 << 20) - 8) + "\n\n").utf8)
        let hasSent = Monitor(false)
        try await withProxy(
            {
                $0.idleTimeout = .seconds(3 * scale)
                $0.capture = .text
            },
            script: { exchange in
                try await exchange.send(
                    "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: \(32 << 20)\r\n\r\n")
                for _ in 0..<32 { try await exchange.send(large) }
                hasSent.update { $0 = true }
            }
        ) { proxy in
            let agent = try await proxy.connect(receiveBuffer: 1 << 20)
            try await agent.stopReading()
            try await agent.send(requestBytes("POST", path: path, body: Array(Chat.stream.utf8)))
            try await Task.sleep(for: .milliseconds(4500 * scale))
            #expect(!hasSent.state, "the engine's silence is not of its own making")
            try await agent.resumeReading()
            _ = try await agent.read(until: "\r\n\r\n")
            #expect(try await agent.read(count: 32 << 20).count == 32 << 20)
            #expect(try await proxy.finalRecords().map(\.outcome) == (path == Chat.path ? ["completed"] : []))
        }
    }

    /// An upload takes as long as the agent takes.
    @Test func aSlowUploadIsNotASilentEngine() async throws {
        try await withPatience { try await aSlowUploadIsNotASilentEngine(scale: $0 ? 8 : 1) }
    }

    private func aSlowUploadIsNotASilentEngine(scale: Int) async throws {
        try await withProxy(
            { $0.idleTimeout = .seconds(4 * scale) },
            script: { exchange in
                try await exchange.respond(body: exchange.request.body)
            }
        ) { proxy in
            let agent = try await proxy.connect()
            try await agent.send("POST /upload HTTP/1.1\r\nHost: x\r\nContent-Length: 8\r\n\r\n")
            for _ in 0..<8 {
                try await Task.sleep(for: .milliseconds(600 * scale))
                try await agent.send("x")
            }
            let response = try await agent.readResponse()
            #expect(response.status == 200 && response.bodyText == "xxxxxxxx")
        }
    }

    /// Until the request has arrived nothing is asked of the engine.
    @Test func aSlowRequestIsNotTheEnginesFault() async throws {
        try await withPatience { try await aSlowRequestIsNotTheEnginesFault(scale: $0 ? 8 : 1) }
    }

    private func aSlowRequestIsNotTheEnginesFault(scale: Int) async throws {
        try await withProxy({ $0.requestTimeout = .seconds(4 * scale) }, script: Chat.engine.serve) { proxy in
            let agent = try await proxy.connect()
            let request = requestBytes("POST", path: Chat.path, body: Array(Chat.unary.utf8))
            try await agent.send(Array(request.dropLast(10)))
            try await Task.sleep(for: .milliseconds(4500 * scale))
            try await agent.send(Array(request.suffix(10)))
            #expect(try await agent.readResponse().status == 200)
        }
    }
}
