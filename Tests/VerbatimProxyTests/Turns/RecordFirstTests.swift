import NIOCore
import TestSupport
import Testing
import VerbatimHTTP
import VerbatimProxy
import VerbatimTesting
import VerbatimTrace

@Suite(
    "The record is in the trace before the agent can know that its reply is over", .onOwnThreads,
    .timeLimit(.minutes(10)))
struct RecordFirstTests {
    /// How a reply ends, and which part of it an agent may receive before its record is written.
    enum Reply: String, CaseIterable, Sendable, CustomTestStringConvertible {
        case stream, streamWithoutTerminal, unary, large, error, unreachable

        var testDescription: String { rawValue }
        var isStream: Bool { self == .stream || self == .streamWithoutTerminal }

        func play(_ exchange: MockExchange) async throws {
            switch self {
            case .stream, .streamWithoutTerminal:
                try await exchange.startEventStream()
                for event in [Chat.event(1), Chat.finish] { try await exchange.sendEvent(event) }
                if self == .stream { try await exchange.sendEvent("[DONE]") }
                try await exchange.finishStream()
            case .unary, .large:
                try await exchange.respond(headers: [("Content-Type", "application/json")], body: Chat.body())
            case .error: try await exchange.respond(status: 400, reason: "Bad Request", body: "no")
            case .unreachable: await exchange.reset()
            }
        }

        /// Reads the part that may be received, and returns the expected rest.
        func readVisiblePart(_ agent: RawAgent) async throws -> String {
            switch self {
            case .stream:
                _ = try await agent.read(until: "\"stop\"")
                _ = try await agent.read(until: "\r\n")
                return "e\r\ndata: [DONE]\n\n\r\n0\r\n\r\n"
            case .streamWithoutTerminal:
                _ = try await agent.read(until: "\"stop\"")
                _ = try await agent.read(until: "\r\n")
                return "0\r\n\r\n"
            case .large:
                _ = try await agent.read(until: "\r\n\r\n")
                _ = try await agent.read(count: Chat.body().utf8.count - 1)
                return "}"
            case .unary, .error, .unreachable: return "HTTP/1.1 "
            }
        }
    }

    @Test("The end of a reply waits for its record", arguments: Reply.allCases)
    func theEndWaitsForTheRecord(reply: Reply) async throws {
        let files = GatedFileSystem(.shut)
        try await withProxy(
            fileSystem: files.system,
            {
                $0.threads = 1
                if reply == .large { $0.maximumReplySize = 10 }
            }, script: reply.play
        ) { proxy in
            let agent = try await proxy.startChat(reply.isStream ? Chat.stream : Chat.unary)
            let rest = try await reply.readVisiblePart(agent)
            await files.begun.wait { $0 > 0 }
            // The event loop is not blocked meanwhile: it answers others.
            for _ in 1...3 { #expect(try await get(port: proxy.port, path: "/healthz").status == 200) }
            #expect(agent.availableCount == 0 && !agent.isClosed)
            #expect(try proxy.records().isEmpty)

            files.set(.open)
            #expect(String(decoding: try await agent.read(count: rest.utf8.count), as: UTF8.self) == rest)
            #expect(try proxy.records().count == 1, "the record is there when the agent sees the end")
            #expect(files.begun.state == 1)
            await agent.close()
            #expect(try await proxy.finalRecords().count == 1)
        }
    }

    @Test("With --trace-sync disk the end of a reply waits for the disk", arguments: [Reply.stream, .unary])
    func theEndWaitsForTheDisk(reply: Reply) async throws {
        let files = GatedFileSystem(.shut, ofSyncs: true)
        try await withProxy(
            fileSystem: files.system,
            {
                $0.trace.sync = .disk
                $0.threads = 1
            }, script: reply.play
        ) { proxy in
            let agent = try await proxy.startChat(reply.isStream ? Chat.stream : Chat.unary)
            let rest = try await reply.readVisiblePart(agent)
            await files.begun.wait { $0 > 0 }
            #expect(try proxy.records().count == 1, "written, but not on the disk yet")
            for _ in 1...3 { #expect(try await get(port: proxy.port, path: "/healthz").status == 200) }
            #expect(agent.availableCount == 0 && !agent.isClosed)
            files.set(.open)
            #expect(String(decoding: try await agent.read(count: rest.utf8.count), as: UTF8.self) == rest)
        }
    }

    @Test("With many agents at once each end comes after its record")
    func everyEndComesAfterItsRecord() async throws {
        try await withProxy(script: Chat.engine.serve) { proxy in
            try await withThrowingTaskGroup(of: Void.self) { group in
                for _ in 0..<8 {
                    group.addTask {
                        let agent = try await proxy.connect()
                        for turn in 1...5 {
                            let body = turn % 2 == 0 ? Chat.stream : Chat.unary
                            try await agent.send(requestBytes("POST", path: Chat.path, body: Array(body.utf8)))
                            #expect(try await agent.readResponse().complete)
                        }
                    }
                }
                try await group.waitForAll()
            }
            let records = try proxy.records()
            #expect(records.map(\.turn).sorted() == Array(1...40))
            #expect(records.allSatisfy { $0.outcome == "completed" && $0.isComplete })
        }
    }

    @Test("A turn whose agent leaves while its record is written is complete", arguments: [Reply.stream, .unary])
    func anAgentThatLeavesMeanwhile(reply: Reply) async throws {
        let files = GatedFileSystem(.shut)
        try await withProxy(fileSystem: files.system, script: reply.play) { proxy in
            let agent = try await proxy.startChat(reply.isStream ? Chat.stream : Chat.unary)
            await files.begun.wait { $0 > 0 }
            await agent.reset()
            files.set(.open)
            #expect(try await proxy.finalRecords().map(\.outcome) == ["completed"])
        }
    }

    @Test("What an engine sends after the end, while the record is written, is not buffered without limit")
    func bytesAfterTheEndAreNotBufferedWithoutLimit() async throws {
        let files = GatedFileSystem(.shut)
        let sent = Monitor(0)
        try await withProxy(
            fileSystem: files.system,
            script: { exchange in
                try await exchange.startEventStream()
                try await exchange.sendEvent("[DONE]")
                let more = [UInt8](repeating: 120, count: 1 << 20)
                for _ in 0..<48 {
                    try await exchange.sendChunk(more)
                    sent.update { $0 += 1 }
                }
                try await exchange.finishStream()
            }
        ) { proxy in
            let agent = try await proxy.startChat(Chat.stream)
            await files.begun.wait { $0 > 0 }
            #expect(try await proxy.waitForStall(of: sent) < 32)
            files.set(.open)
            let response = try await agent.readResponse()
            #expect(response.complete && response.body.count == 48 << 20 + 14)
            #expect(try await proxy.finalRecords().map(\.outcome) == ["completed"])
        }
    }

    @Test("Records are written before the trace is closed, although the grace period is over")
    func recordsAreWrittenBeforeTheTraceIsClosed() async throws {
        let files = GatedFileSystem(.shut)
        let clock = ManualClock()
        try await withProxy(
            fileSystem: files.system,
            {
                $0.clock = HTTPClock(clock)
                $0.shutdownGrace = .seconds(10)
            }, script: Chat.engine.serve
        ) { proxy in
            let agent = try await proxy.startChat(Chat.stream)
            await files.begun.wait { $0 > 0 }
            async let stopped: Void = proxy.stop()
            await clock.waitForTimer(in: .seconds(10))
            try await clock.advance(by: .seconds(10))
            // The turn cannot be cut off either, since its record is being written.
            for _ in 1...2 {
                await clock.waitForTimer(in: .seconds(2))
                try await clock.advance(by: .seconds(2))
            }
            try await agent.expectAbort()
            files.set(.open)
            await stopped
            #expect(try proxy.records().map(\.outcome) == ["completed"])
        }
    }
}
