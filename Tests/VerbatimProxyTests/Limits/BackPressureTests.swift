import TestSupport
import Testing
import VerbatimAPI
import VerbatimProxy
import VerbatimTesting

@Suite(
    "Back-pressure from a slow agent to the engine, and from a slow engine to the agent", .onOwnThreads,
    .timeLimit(.minutes(10)))
struct BackPressureTests {
    /// Much more than all sockets between the engine and the agent hold: kernels grow the receive buffer of a
    /// connection that is read fast, up to 32 MiB on some systems.
    private static let eventSize = 512 << 10
    private static let eventCount = 320
    private static let mostBuffered = 80 << 20

    private static let filler = [UInt8](repeating: UInt8(ascii: "x"), count: eventSize - 12) + [10, 10]

    /// The event with a number. All events have the same length.
    private static func event(_ number: Int) -> [UInt8] {
        Array("data: \(1000 + number)".utf8) + filler
    }

    private static let last = Array("data: [DONE]\n\n".utf8)

    private static func script(_ sent: Monitor<Int>, length: Bool) -> MockEngine.Script {
        { exchange in
            let total = eventSize * eventCount + last.count
            try await exchange.send(
                "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
                    + (length ? "Content-Length: \(total)\r\n\r\n" : "Connection: close\r\n\r\n"))
            for number in 0..<eventCount {
                try await exchange.send(event(number))
                sent.update { $0 += 1 }
            }
            try await exchange.send(last)
            if !length { await exchange.close() }
        }
    }

    @Test("An agent that stops reading stops the engine, and nothing is lost", arguments: [Chat.path, "/v1/events"])
    func anAgentThatStopsStopsTheEngine(path: String) async throws {
        let sent = Monitor(0)
        try await withProxy(
            {
                $0.threads = 1
                $0.capture = .text
                $0.maximumReplySize = 1 << 30
            }, script: Self.script(sent, length: true)
        ) { proxy in
            let agent = try await proxy.connect(receiveBuffer: 1 << 20)
            try await agent.stopReading()
            try await agent.send(requestBytes("POST", path: path, body: Array(Chat.stream.utf8)))
            let accepted = try await proxy.waitForStall(of: sent) * Self.eventSize
            #expect(accepted < Self.mostBuffered)
            // Other agents are served meanwhile.
            #expect(try await get(port: proxy.port, path: "/healthz").status == 200)

            try await agent.resumeReading()
            let head = try await agent.read(until: "\r\n\r\n")
            #expect(String(decoding: head, as: UTF8.self).hasPrefix("HTTP/1.1 200 OK\r\n"))
            for number in 0..<Self.eventCount {
                let event = try await agent.read(count: Self.eventSize)
                try #require(event.isSame(as: Self.event(number)), "\(number)")
            }
            #expect(try await agent.read(count: Self.last.count) == Self.last)
            let records = try await proxy.finalRecords()
            #expect(records.map(\.outcome) == (path == Chat.path ? ["completed"] : []))
        }
    }

    @Test(
        "The engine is disconnected when an agent that has stopped reading leaves",
        arguments: FaultAgentGoneTests.Leaving.allCases, [Chat.path, "/v1/events"])
    func anAgentThatLeavesWhilePaused(how: FaultAgentGoneTests.Leaving, path: String) async throws {
        let sent = Monitor(0)
        let isClosed = Monitor(false)
        try await withProxy(
            {
                $0.threads = 1
                $0.capture = .text
                $0.maximumReplySize = 1 << 30
            },
            script: { exchange in
                try? await Self.script(sent, length: false)(exchange)
                await exchange.peerClosed()
                isClosed.update { $0 = true }
            }
        ) { proxy in
            let agent = try await proxy.connect(receiveBuffer: 1 << 20)
            try await agent.stopReading()
            try await agent.send(requestBytes("POST", path: path, body: Array(Chat.stream.utf8)))
            _ = try await proxy.waitForStall(of: sent)
            await how.perform(on: agent)
            await isClosed.wait { $0 }
            let records = try await proxy.finalRecords()
            #expect(records.map(\.outcome) == (path == Chat.path ? ["client_disconnected"] : []))
        }
    }

    @Test("An engine that does not read an upload stops the agent")
    func anEngineThatDoesNotReadStopsTheAgent()
        async throws
    {
        let silent = try await SilentPort(reads: false)
        try await withProxy(
            {
                $0.upstreamURL = "http://127.0.0.1:\(silent.port)"
                $0.threads = 1
            }, script: { _ in }
        ) { proxy in
            let agent = try await proxy.connect()
            try await agent.send("POST /upload HTTP/1.1\r\nHost: x\r\nContent-Length: \(256 << 20)\r\n\r\n")
            let sent = Monitor(0)
            let upload = Task {
                for _ in 0..<256 {
                    try await agent.send(Array(repeating: 120, count: 1 << 20))
                    sent.update { $0 += 1 }
                }
            }
            let accepted = try await proxy.waitForStall(of: sent)
            #expect(accepted < Self.mostBuffered >> 20)
            await agent.reset()
            _ = await upload.result
        }
        await silent.stop()
    }
}
