import NIOCore
import TestSupport
import Testing
import VerbatimAPI
import VerbatimHTTP
import VerbatimProxy
import VerbatimTesting

@Suite("An engine that takes too long", .onOwnThreads, .timeLimit(.minutes(10)))
struct TimeoutTests {
    enum Limit: CaseIterable, Sendable {
        case request, idle

        static let time = TimeAmount.seconds(5)

        func set(_ setup: inout ProxySetup) {
            switch self {
            case .request: setup.requestTimeout = Self.time
            case .idle: setup.idleTimeout = Self.time
            }
        }

        var flag: String {
            switch self {
            case .request: "--request-timeout"
            case .idle: "--idle-timeout"
            }
        }
    }

    @Test("A turn ends at the limit, and its record says so", arguments: Stage.allCases, Limit.allCases)
    func endsTheTurn(stage: Stage, limit: Limit) async throws {
        let clock = ManualClock()
        let hasSent = Monitor(0)
        let isClosed = Monitor(false)
        try await withProxy(
            {
                $0.clock = HTTPClock(clock)
                $0.threads = 1
                limit.set(&$0)
            },
            script: Chat.warmable { exchange in
                try await stage.play(exchange)
                hasSent.update { $0 += 1 }
                await exchange.peerClosed()
                isClosed.update { $0 = true }
            }
        ) { proxy in
            try await stage.prepare(proxy)
            let agent = try await proxy.startChat(stage.request)
            await hasSent.wait { $0 > 0 }
            if stage.agentHasHead { try await stage.readVisiblePart(agent) }
            try await proxy.catchUp()
            try await clock.advance(by: Limit.time - .milliseconds(1))
            try await proxy.catchUp()
            #expect(!agent.isClosed && !isClosed.state)
            #expect(stage.agentHasHead || agent.availableCount == 0)
            try await clock.advance(by: .milliseconds(1))
            if stage.agentHasHead {
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

    @Test("A forwarded exchange ends at the limit", arguments: Limit.allCases)
    func forwardedExchangeEndsAtTheLimit(limit: Limit) async throws {
        let clock = ManualClock()
        try await withProxy(
            {
                $0.clock = HTTPClock(clock)
                limit.set(&$0)
            },
            script: { exchange in
                if exchange.request.target == "/body" {
                    try await exchange.send("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nstart")
                }
                await exchange.peerClosed()
            }
        ) { proxy in
            let beforeHead = try await proxy.connect()
            try await beforeHead.send(requestBytes("GET", path: "/head"))
            await proxy.engine.waitForRequests(1)
            try await clock.advance(by: Limit.time)
            let response = try await beforeHead.readResponse()
            #expect(response.status == 504 && response.bodyText.contains(limit.flag))
            await beforeHead.close()

            let inBody = try await proxy.connect()
            try await inBody.send(requestBytes("GET", path: "/body"))
            _ = try await inBody.read(until: "start")
            try await clock.advance(by: Limit.time)
            #expect(try await inBody.readToEnd().text.isEmpty)
            await proxy.engine.waitForOpenConnections(atMost: 0)
        }
    }

    @Test("A stream with short pauses is not silent, however long it takes")
    func streamWithShortPausesIsNotSilent() async throws {
        let clock = ManualClock()
        let allowed = Monitor(0)
        try await withProxy(
            {
                $0.clock = HTTPClock(clock)
                $0.idleTimeout = .seconds(5)
            },
            script: { exchange in
                try await exchange.startEventStream()
                for number in 1...10 {
                    await allowed.wait { $0 >= number }
                    try await number == 3
                        ? exchange.sendChunk(": still here\n\n") : exchange.sendEvent(Chat.event(number))
                }
                for event in [Chat.finish, "[DONE]"] { try await exchange.sendEvent(event) }
                try await exchange.finishStream()
            }
        ) { proxy in
            let agent = try await proxy.startChat(Chat.stream)
            await proxy.engine.waitForRequests(1)
            for number in 1...10 {
                try await clock.advance(by: .seconds(4))
                allowed.update { $0 = number }
                _ = try await agent.read(until: number == 3 ? "still here" : "t\(number) ")
            }
            _ = try await agent.read(until: "data: [DONE]\n\n\r\n0\r\n\r\n")
            #expect(try await proxy.finalRecords().map(\.outcome) == ["completed"])
        }
    }

    @Test("Each turn of a connection has the whole time")
    func everyTurnHasTheWholeTime() async throws {
        let clock = ManualClock()
        let begun = Monitor(0)
        let allowed = Monitor(0)
        try await withProxy(
            {
                $0.clock = HTTPClock(clock)
                $0.requestTimeout = .seconds(5)
            },
            script: { exchange in
                let turn = begun.update { turns in
                    turns += 1
                    return turns
                }
                if turn == 3 {
                    await exchange.peerClosed()
                } else {
                    await allowed.wait { $0 >= turn }
                    try await Chat.engine.serve(exchange)
                }
            }
        ) { proxy in
            let agent = try await proxy.connect()
            for turn in 1...3 {
                try await agent.send(requestBytes("POST", path: Chat.path, body: Array(Chat.unary.utf8)))
                await proxy.engine.waitForRequests(turn)
                try await clock.advance(by: .seconds(turn < 3 ? 4 : 5))
                allowed.update { $0 = turn }
                let response = try await agent.readResponse()
                #expect(response.status == (turn < 3 ? 200 : 504) && response.complete)
            }
            let outcomes = try await proxy.finalRecords().map(\.outcome)
            #expect(outcomes == ["completed", "completed", "timeout"])
        }
    }

    @Test("The engine is not silent while a slow agent keeps it from sending", arguments: [Chat.path, "/v1/files"])
    func aSlowAgentIsNotASilentEngine(path: String) async throws {
        let clock = ManualClock()
        let large = Array(("data: " + String(repeating: "x", times: (1 << 20) - 8) + "\n\n").utf8)
        let sent = Monitor(0)
        try await withProxy(
            {
                $0.clock = HTTPClock(clock)
                $0.threads = 1
                $0.idleTimeout = .seconds(5)
                $0.capture = .text
            },
            script: { exchange in
                try await exchange.send(
                    "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: \(32 << 20)\r\n\r\n")
                for _ in 0..<32 {
                    try await exchange.send(large)
                    sent.update { $0 += 1 }
                }
            }
        ) { proxy in
            let agent = try await proxy.connect(receiveBuffer: 1 << 20)
            try await agent.stopReading()
            try await agent.send(requestBytes("POST", path: path, body: Array(Chat.stream.utf8)))
            #expect(try await proxy.waitForStall(of: sent) < 32)
            try await clock.advance(by: .seconds(60))
            try await agent.resumeReading()
            _ = try await agent.read(until: "\r\n\r\n")
            #expect(try await agent.read(count: 32 << 20).count == 32 << 20)
            #expect(try await proxy.finalRecords().map(\.outcome) == (path == Chat.path ? ["completed"] : []))
        }
    }

    @Test("The engine is not silent while a slow agent uploads")
    func aSlowUploadIsNotASilentEngine() async throws {
        let clock = ManualClock()
        try await withProxy(
            {
                $0.clock = HTTPClock(clock)
                $0.threads = 1
                $0.idleTimeout = .seconds(5)
            },
            script: { exchange in
                try await exchange.respond(body: exchange.request.body)
            }
        ) { proxy in
            let agent = try await proxy.connect()
            try await agent.send("POST /upload HTTP/1.1\r\nHost: x\r\nContent-Length: 8\r\n\r\n")
            for _ in 0..<8 {
                try await proxy.catchUp()
                try await clock.advance(by: .seconds(20))
                try await agent.send("x")
            }
            let response = try await agent.readResponse()
            #expect(response.status == 200 && response.bodyText == "xxxxxxxx")
        }
    }

    @Test("The time of a turn begins when its request has arrived")
    func turnTimeStartsWhenTheRequestHasArrived() async throws {
        let clock = ManualClock()
        try await withProxy(
            {
                $0.clock = HTTPClock(clock)
                $0.threads = 1
                $0.requestTimeout = .seconds(5)
            }, script: Chat.engine.serve
        ) { proxy in
            let agent = try await proxy.connect()
            let request = requestBytes("POST", path: Chat.path, body: Array(Chat.unary.utf8))
            try await agent.send(Array(request.dropLast(10)))
            try await proxy.catchUp()
            try await clock.advance(by: .seconds(60))
            try await agent.send(Array(request.suffix(10)))
            #expect(try await agent.readResponse().status == 200)
        }
    }
}
