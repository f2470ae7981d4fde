import VerbatimTesting
import TestSupport
import Testing
import Verbatim

/// §6: the agent disconnects.
@Suite(.onOwnThreads, .timeLimit(.minutes(3))) struct FaultAgentGoneTests {
    enum Leaving: CaseIterable, Sendable {
        case close, reset

        func perform(on agent: RawAgent) async {
            switch self {
            case .close: await agent.close()
            case .reset: await agent.reset()
            }
        }
    }

    @Test(arguments: Stage.allCases, Leaving.allCases)
    func theEngineIsToldAtOnce(stage: Stage, how: Leaving) async throws {
        let hasReached = Monitor(false)
        let end = Monitor(ContinuousClock.Instant?.none)
        try await withProxy(
            script: Chat.warmable { exchange in
                try await stage.play(exchange)
                hasReached.update { $0 = true }
                let instant = await exchange.peerClosed()
                end.update { $0 = instant }
            }
        ) { proxy in
            try await stage.prepare(proxy)
            let agent = try await proxy.startChat(stage.request)
            await hasReached.wait { $0 }
            try await stage.readVisiblePart(agent)
            let start = ContinuousClock.now
            await how.perform(on: agent)
            await end.wait { $0 != nil }
            let delay = try #require(end.state) - start
            print("agent \(how) in \(stage.rawValue): engine's connection closed after \(delay)")
            // 0.1 s is asked for, and printed; the bound only tells it from a timer that has run out.
            #expect(delay < .seconds(30))

            let records = try await proxy.finalRecords()
            #expect(records.map(\.turn) == Array(1...(1 + stage.recordsBefore)))
            let record = try #require(records.last)
            #expect(record.outcome == "client_disconnected")
            #expect(record.status == (stage.agentHasHead ? 200 : nil))
            #expect(record.tokenIDs == stage.tokenIDs && record.logprobs.count == stage.tokenIDs.count)
            #expect(!record.isComplete)
            #expect(record.isStream == !stage.isUnary)
        }
    }

    /// A request that never came to its end is no turn.
    @Test(arguments: Leaving.allCases)
    func insideTheRequest(how: Leaving) async throws {
        try await withProxy(script: Chat.engine.serve) { proxy in
            let agent = try await proxy.connect()
            try await agent.send("POST \(Chat.path) HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{\"model\"")
            await how.perform(on: agent)
            #expect(try await proxy.chat().status == 200)
            let record = try #require(try await proxy.finalRecords().only)
            #expect(record.turn == 1 && record.outcome == "completed")
            #expect(proxy.engine.requests.count == 1)
        }
    }

    /// While the connection to the engine is being made.
    @Test(arguments: Leaving.allCases)
    func whileConnecting(how: Leaving) async throws {
        let hole = try UnansweringPort()
        try await withProxy(
            {
                $0.upstreamURL = hole.url
                $0.threads = 1
            }, script: Chat.engine.serve
        ) { proxy in
            let agent = try await proxy.startChat()
            // The only loop answers this behind what came before it.
            #expect(try await get(port: proxy.port, path: "/healthz").status == 200)
            await how.perform(on: agent)
            let record = try #require(try await proxy.finalRecords().only)
            #expect(record.outcome == "client_disconnected" && record.status == nil)
        }
    }

    /// What is forwarded without being captured ends as promptly.
    @Test(arguments: Leaving.allCases, ["before", "behind", "inside"])
    func onAForwardedRoute(how: Leaving, place: String) async throws {
        let end = Monitor(false)
        try await withProxy(script: { exchange in
            if place == "behind" {
                try await exchange.startEventStream()
                try await exchange.sendEvent("one")
            }
            await exchange.peerClosed()
            end.update { $0 = true }
        }) { proxy in
            let agent = try await proxy.connect()
            if place == "inside" {
                try await agent.send("POST /v1/events HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nstart")
                // Not only the connection, which would be kept for the next request if the agent were gone before.
                await proxy.engine.waitForFirstByte()
                await how.perform(on: agent)
                await proxy.engine.waitForOpenConnections(atMost: 0)
                #expect(proxy.engine.problems == ["connection 0 ended inside a request"])
            } else {
                try await agent.send(requestBytes("GET", path: "/v1/events"))
                await proxy.engine.waitForRequests(1)
                if place == "behind" { _ = try await agent.read(until: "one") }
                await how.perform(on: agent)
                await end.wait { $0 }
            }
            #expect(try await proxy.finalRecords().isEmpty)
        }
    }

    /// Ten at once: each leaves one record, and the proxy goes on.
    @Test func manyLeave() async throws {
        try await withProxy(
            script: Chat.warmable { exchange in
                try await Stage.midStream.play(exchange)
                await exchange.peerClosed()
            }
        ) { proxy in
            try await withThrowingTaskGroup(of: Void.self) { group in
                for index in 0..<10 {
                    group.addTask {
                        let agent = try await proxy.startChat(Chat.stream)
                        try await Stage.midStream.readVisiblePart(agent)
                        await (index % 2 == 0 ? Leaving.close : .reset).perform(on: agent)
                    }
                }
                try await group.waitForAll()
            }
            await proxy.engine.waitForOpenConnections(atMost: 0)
            #expect(try await proxy.chat(Chat.stream, headers: [Chat.warmUpHeader]).complete)
            let records = try await proxy.finalRecords()
            #expect(records.map(\.turn).sorted() == Array(1...11))
            #expect(records.filter { $0.outcome == "client_disconnected" && $0.tokenIDs == [1, 2] }.count == 10)
        }
    }
}
