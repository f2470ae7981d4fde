import NIOCore
import TestSupport
import Testing
import VerbatimHTTP
import VerbatimProxy
import VerbatimTesting

@Suite("Pipelined requests wait for their turn, within bounds", .onOwnThreads, .timeLimit(.minutes(10)))
struct PipeliningTests {
    /// The numbered requests that the engine has received.
    private struct Seen {
        var begun: [Int] = []
        var ended = 0
        /// Requests that came before the previous one was answered.
        var early: [Int] = []
    }

    private static let filler = String(repeating: "x", count: 300_000)

    private static func request(_ number: Int, to path: String, large: Bool) -> [UInt8] {
        let content = large ? filler : ""
        return requestBytes(
            "POST", path: path, headers: [("X-Number", "\(number)")],
            body: Array(#"{"model":"m","messages":[{"role":"user","content":"\#(number) \#(content)"}]}"#.utf8))
    }

    /// Notes each request, waits for `gate` at the first, and answers with the request's number.
    private static func script(_ seen: Monitor<Seen>, gate: Monitor<Bool>) -> MockEngine.Script {
        { exchange in
            let number = exchange.request.header("X-Number").flatMap { Int($0) } ?? -1
            seen.update { seen in
                if seen.ended < seen.begun.count { seen.early.append(number) }
                seen.begun.append(number)
            }
            if number == 0 { await gate.wait { $0 } }
            seen.update { $0.ended += 1 }
            try await exchange.respond(
                headers: [("Content-Type", "application/json")], body: Chat.body(content: "answer \(number)"))
        }
    }

    @Test(
        "Each request waits for the reply before it",
        arguments: [(2, false), (3, false), (50, false), (2, true), (3, true), (50, true)], [Chat.path, "/v1/files"])
    func eachWaitsForTheReplyBeforeIt(requests: (count: Int, areLarge: Bool), path: String) async throws {
        let seen = Monitor(Seen())
        let gate = Monitor(false)
        try await withProxy(script: Self.script(seen, gate: gate)) { proxy in
            let agent = try await proxy.connect()
            let all = (0..<requests.count).map { Self.request($0, to: path, large: requests.areLarge) }
            let sending = Task { try await agent.send(all.reduce(into: [], +=)) }
            await proxy.engine.waitForRequests(1)
            // A proxy that has answered other agents has had the chance to read on.
            for _ in 0..<3 { #expect(try await get(port: proxy.port, path: "/healthz").status == 200) }
            #expect(seen.state.begun == [0])
            gate.update { $0 = true }
            for number in 0..<requests.count {
                let response = try await agent.readResponse()
                #expect(response.status == 200 && response.complete)
                #expect(response.bodyText.contains("\"answer \(number)\""))
            }
            try await sending.value
            #expect(seen.state.begun == Array(0..<requests.count) && seen.state.early.isEmpty)
            let records = try await proxy.finalRecords()
            #expect(records.map(\.turn) == (path == Chat.path ? Array(1...requests.count) : []))
            #expect(records.allSatisfy { $0.outcome == "completed" })
        }
    }

    @Test(
        "A request that has arrived in part waits for the reply before it", arguments: [Chat.path, "/v1/files"],
        [1, 20, 150, 400])
    func partOfARequestWaitsToo(path: String, cut: Int) async throws {
        let seen = Monitor(Seen())
        let gate = Monitor(false)
        try await withProxy(script: Self.script(seen, gate: gate)) { proxy in
            let agent = try await proxy.connect()
            let (first, second) = (Self.request(0, to: path, large: false), Self.request(1, to: path, large: true))
            try await agent.send(first + second.prefix(cut))
            await proxy.engine.waitForRequests(1)
            try await agent.send(Array(second[cut..<cut + 10]))
            gate.update { $0 = true }
            #expect(try await agent.readResponse().bodyText.contains("\"answer 0\""))
            try await agent.send(Array(second[(cut + 10)...]))
            #expect(try await agent.readResponse().bodyText.contains("\"answer 1\""))
            #expect(seen.state.begun == [0, 1] && seen.state.early.isEmpty)
        }
    }

    /// What an agent sends while a reply does not end.
    enum Flood: CaseIterable, Sendable {
        /// Requests without bodies, one after the other.
        case requests
        /// One request, whose body does not end.
        case body
        /// The same, chunked.
        case chunks
        /// Bytes that are not HTTP.
        case garbage

        var start: [UInt8] {
            switch self {
            case .requests, .garbage: []
            case .body: Array("POST /v1/files HTTP/1.1\r\nHost: x\r\nContent-Length: \(1 << 40)\r\n\r\n".utf8)
            case .chunks: Array("POST /v1/files HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n".utf8)
            }
        }

        /// About a megabyte of the flood.
        var megabyte: [UInt8] {
            switch self {
            case .requests:
                Array(String(repeating: "GET /v1/models HTTP/1.1\r\nHost: x\r\n\r\n", count: (1 << 20) / 37).utf8)
            case .body: [UInt8](repeating: UInt8(ascii: "x"), count: 1 << 20)
            case .garbage: [UInt8](repeating: 1, count: 1 << 20)
            case .chunks: Array("100000\r\n".utf8) + [UInt8](repeating: UInt8(ascii: "x"), count: 1 << 20) + [13, 10]
            }
        }
    }

    /// Much more than the sockets hold; see `BackPressureTests`.
    private static let megabytes = 256
    private static let mostTaken = 80

    @Test(
        "Input that an agent sends during a reply is read only up to a limit",
        arguments: zip(Flood.allCases, [Chat.path, "/v1/events", Chat.path, Chat.path]))
    func inputDuringAReplyIsLimited(flood: Flood, path: String) async throws {
        let isOver = Monitor(false)
        try await withProxy(script: { exchange in
            try await exchange.startEventStream()
            try await exchange.sendEvent("one")
            await exchange.peerClosed()
            isOver.update { $0 = true }
        }) { proxy in
            let agent = try await proxy.connect()
            try await agent.send(requestBytes("POST", path: path, body: Array(Chat.stream.utf8)) + flood.start)
            _ = try await agent.read(until: "one")
            let sent = Monitor(0)
            let upload = Task {
                for _ in 0..<Self.megabytes {
                    try await agent.send(flood.megabyte)
                    sent.update { $0 += 1 }
                }
            }
            let taken = try await proxy.waitForStall(of: sent)
            #expect(taken < Self.mostTaken)
            #expect(proxy.engine.requests.count == 1)
            // Other agents are served meanwhile.
            #expect(try await get(port: proxy.port, path: "/healthz").status == 200)
            await agent.reset()
            _ = await upload.result
            // The agent's leaving is noticed although nothing more is read.
            await isOver.wait { $0 }
            #expect(proxy.engine.requests.count == 1)
            let records = try await proxy.finalRecords()
            #expect(records.map(\.outcome) == (path == Chat.path ? ["client_disconnected"] : []))
        }
    }

    @Test(
        "Requests that wait are dropped with their agent", arguments: FaultAgentGoneTests.Leaving.allCases,
        [Chat.path, "/v1/events"])
    func queuedRequestsAreDroppedWithTheirAgent(how: FaultAgentGoneTests.Leaving, path: String) async throws {
        let isOver = Monitor(false)
        try await withProxy(script: { exchange in
            try await exchange.startEventStream()
            try await exchange.sendEvent("one")
            await exchange.peerClosed()
            isOver.update { $0 = true }
        }) { proxy in
            let agent = try await proxy.connect()
            let request = requestBytes("POST", path: path, body: Array(Chat.stream.utf8))
            try await agent.send(request + request + request)
            _ = try await agent.read(until: "one")
            await how.perform(on: agent)
            await isOver.wait { $0 }
            let records = try await proxy.finalRecords()
            #expect(records.map(\.outcome) == (path == Chat.path ? ["client_disconnected"] : []))
            #expect(proxy.engine.requests.count == 1)
        }
    }

    @Test("An agent that half-closes gets all replies", arguments: [0, 1, 2, 49], [Chat.path, "/v1/files"])
    func halfClosedAgentGetsAllReplies(waiting: Int, path: String) async throws {
        let seen = Monitor(Seen())
        let gate = Monitor(false)
        try await withProxy(script: Self.script(seen, gate: gate)) { proxy in
            let agent = try await proxy.connect()
            try await agent.send(Self.request(0, to: path, large: false))
            await proxy.engine.waitForRequests(1)
            for number in 0..<waiting { try await agent.send(Self.request(number + 1, to: path, large: false)) }
            try await agent.halfClose()
            #expect(try await get(port: proxy.port, path: "/healthz").status == 200)
            gate.update { $0 = true }
            for number in 0...waiting {
                // The proxy sends interim replies to find out whether the agent is still there.
                var response = try await agent.readResponse()
                while response.status == 100 { response = try await agent.readResponse() }
                #expect(response.status == 200 && response.complete)
                #expect(response.bodyText.contains("\"answer \(number)\""))
            }
            #expect(await agent.waitUntilClosed() == .eof)
            #expect(seen.state.begun == Array(0...waiting) && seen.state.early.isEmpty)
        }
    }

    @Test(
        "A request that is followed by garbage gets its reply", arguments: [1, 100_000],
        [Chat.path, "/v1/files"])
    func garbageInManyParts(size: Int, path: String) async throws {
        let seen = Monitor(Seen())
        let gate = Monitor(false)
        try await withProxy({ $0.threads = 1 }, script: Self.script(seen, gate: gate)) { proxy in
            let agent = try await proxy.connect()
            try await agent.send(Self.request(0, to: path, large: false))
            await proxy.engine.waitForRequests(1)
            for _ in 0..<5 {
                try await agent.send([UInt8](repeating: 1, count: size))
                // The only event loop answers this after it has handled what came before.
                #expect(try await get(port: proxy.port, path: "/healthz").status == 200)
            }
            gate.update { $0 = true }
            let response = try await agent.readResponse()
            #expect(response.status == 200 && response.complete && response.bodyText.contains("\"answer 0\""))
            #expect(await agent.waitUntilClosed() == .eof)
            #expect(seen.state.begun == [0])
            await agent.close()
            let records = try await proxy.finalRecords()
            #expect(records.map(\.outcome) == (path == Chat.path ? ["completed"] : []))
        }
    }

    @Test("The time limit of a head that begins during a reply starts at the end of the reply")
    func headTimeoutStartsAtTheEndOfTheReply() async throws {
        let clock = ManualClock()
        let seen = Monitor(Seen())
        let gate = Monitor(false)
        try await withProxy(
            {
                $0.clock = HTTPClock(clock)
                $0.threads = 1
                $0.headTimeout = .seconds(10)
            }, script: Self.script(seen, gate: gate)
        ) { proxy in
            let agent = try await proxy.connect()
            try await agent.send(Self.request(0, to: Chat.path, large: false))
            await proxy.engine.waitForRequests(1)
            try await agent.send("POST ")
            try await proxy.catchUp()
            try await clock.advance(by: .seconds(60))
            gate.update { $0 = true }
            #expect(try await agent.readResponse().bodyText.contains("\"answer 0\""))
            await clock.waitForTimer(in: .seconds(10))
            try await clock.advance(by: .seconds(10))
            #expect(try await agent.readResponse().status == 408)
            #expect(await agent.waitUntilClosed() == .eof)
        }
    }
}

@Suite("Requests that the proxy answers itself", .onOwnThreads, .timeLimit(.minutes(10)))
struct OwnReplyPipeliningTests {
    @Test("An agent that reads no replies is read no further, and gets them all once it reads")
    func unreadRepliesStopTheReading() async throws {
        let sent = Monitor(0)
        try await withProxy({ $0.threads = 1 }, script: Chat.engine.serve) { proxy in
            let agent = try await proxy.connect(receiveBuffer: 16 << 10)
            try await agent.stopReading()
            let batch = Array(repeatElement(requestBytes("GET", path: "/healthz"), count: 5_000).joined())
            let batches = 400
            let sending = Task {
                for _ in 0..<batches {
                    try await agent.send(batch)
                    sent.update { $0 += 1 }
                }
            }
            let stalled = try await proxy.waitForStall(of: sent)
            #expect(stalled < batches)
            try await agent.resumeReading()
            for _ in 0..<2_000 { #expect(try await agent.readResponse().status == 200) }
            sending.cancel()
            await agent.close()
            _ = await sending.result
        }
    }
}
