import TestSupport
import Testing
import VerbatimHTTP
import VerbatimProxy
import VerbatimTesting

@Suite("The agent disconnects", .onOwnThreads, .timeLimit(.minutes(10)))
struct FaultAgentGoneTests {
    enum Leaving: CaseIterable, Sendable {
        case close, reset

        func perform(on agent: RawAgent) async {
            switch self {
            case .close: await agent.close()
            case .reset: await agent.reset()
            }
        }
    }

    @Test(
        "The engine's connection is closed without waiting for a timer, at every stage", arguments: Stage.allCases,
        Leaving.allCases)
    func engineConnectionIsClosedAtOnce(stage: Stage, how: Leaving) async throws {
        let hasReached = Monitor(false)
        let isClosed = Monitor(false)
        try await withProxy(
            // No time passes by this clock: it cannot be a timer that ends the exchange.
            { $0.clock = HTTPClock(ManualClock()) },
            script: Chat.warmable { exchange in
                try await stage.play(exchange)
                hasReached.update { $0 = true }
                await exchange.peerClosed()
                isClosed.update { $0 = true }
            }
        ) { proxy in
            try await stage.prepare(proxy)
            let agent = try await proxy.startChat(stage.request)
            await hasReached.wait { $0 }
            try await stage.readVisiblePart(agent)
            await how.perform(on: agent)
            await isClosed.wait { $0 }
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

    @Test("A request that the agent does not finish is not a turn", arguments: Leaving.allCases)
    func unfinishedRequestIsNotATurn(how: Leaving) async throws {
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

    @Test("An agent may leave while the connection to the engine is being made", arguments: Leaving.allCases)
    func whileConnecting(how: Leaving) async throws {
        let hole = try UnansweringPort()
        try await withProxy(
            {
                $0.upstreamURL = hole.url
                $0.threads = 1
            }, script: Chat.engine.serve
        ) { proxy in
            let agent = try await proxy.startChat()
            // The only event loop answers this after it has handled what came before.
            #expect(try await get(port: proxy.port, path: "/healthz").status == 200)
            await how.perform(on: agent)
            let record = try #require(try await proxy.finalRecords().only)
            #expect(record.outcome == "client_disconnected" && record.status == nil)
        }
    }

    @Test("A forwarded exchange ends with its agent", arguments: Leaving.allCases, ["before", "behind", "inside"])
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
                // A connection alone would not do: if the agent left before the request, it would be kept.
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

    @Test("Agents that leave together leave one record each")
    func manyLeave() async throws {
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
