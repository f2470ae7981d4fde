import Foundation
import TestSupport
import Testing
import VerbatimTesting

@Suite("Agents that half-close their connection after the request", .onOwnThreads, .timeLimit(.minutes(10)))
struct HTTPSurfaceHalfCloseTests {
    @Test("An agent that has half-closed gets its reply", arguments: Stage.allCases)
    func halfClosedAgentGetsItsReply(stage: Stage) async throws {
        let isHalfClosed = Monitor(false)
        try await withProxy(
            script: Chat.warmable { exchange in
                try await stage.play(exchange)
                await isHalfClosed.wait { $0 }
                try await stage.finish(exchange)
            }
        ) { proxy in
            try await stage.prepare(proxy)
            let agent = try await proxy.startChat(stage.request)
            await proxy.engine.waitForRequests(1 + stage.recordsBefore)
            if stage == .midStream { try await stage.readVisiblePart(agent) }
            try await agent.halfClose()
            isHalfClosed.update { $0 = true }
            if stage == .midStream {
                let rest = try await agent.readToEnd()
                #expect(rest.text.hasSuffix("data: [DONE]\n\n\r\n0\r\n\r\n") || rest.text.hasSuffix("\r\n00\r\n\r\n"))
            } else {
                var response = try await agent.readResponse()
                while response.status == 100 { response = try await agent.readResponse() }
                #expect(response.status == 200 && response.complete)
            }
            #expect(await agent.waitUntilClosed() == .eof)
            #expect(try await proxy.finalRecords().last?.outcome == "completed")
        }
    }

    @Test("All pipelined requests are answered before the connection ends")
    func pipelinedRequestsAreServedBeforeTheEnd() async throws {
        try await withProxy(script: Chat.engine.serve) { proxy in
            let agent = try await proxy.connect()
            let chat = requestBytes("POST", path: Chat.path, body: Array(Chat.stream.utf8))
            try await agent.send(chat + requestBytes("GET", path: "/v1/models") + chat)
            try await agent.halfClose()
            var statuses: [Int] = []
            while statuses.count < 3 {
                let response = try await agent.readResponse()
                #expect(response.complete)
                if response.status != 100 { statuses.append(response.status) }
            }
            #expect(statuses == [200, 200, 200])
            #expect(await agent.waitUntilClosed() == .eof)
            #expect(try await proxy.finalRecords().map(\.outcome) == ["completed", "completed"])
        }
    }

    @Test("A large reply is sent to its end", arguments: [Chat.path, "/v1/files"], [true, false])
    func aLargeReplyIsNotCutShort(path: String, closesEarly: Bool) async throws {
        let body = Chat.body(content: String(repeating: "x", times: 16 << 20))
        try await withProxy(script: { exchange in
            try await exchange.respond(headers: [("Content-Type", "application/json")], body: body)
        }) { proxy in
            let agent = try await proxy.connect(receiveBuffer: 256 << 10)
            try await agent.send(requestBytes("POST", path: path, body: Array(Chat.unary.utf8)))
            if closesEarly { try await agent.halfClose() }
            while String(decoding: try await agent.read(until: "\r\n\r\n"), as: UTF8.self).contains(" 100 ") {}
            // The connection may have ended by now on both sides, with the reply in the agent's buffer.
            try? await agent.stopReading()
            if path == Chat.path { await waitForRecord(proxy) }
            if !closesEarly { try await agent.halfClose() }
            try? await agent.resumeReading()
            #expect(try await agent.read(count: body.utf8.count).isSame(as: Array(body.utf8)))
            #expect(await agent.waitUntilClosed() == .eof && agent.availableCount == 0)
            #expect(try await proxy.finalRecords().map(\.outcome) == (path == Chat.path ? ["completed"] : []))
        }
    }

    /// Returns when the turn's record is in the trace, which is before the end of the reply.
    private func waitForRecord(_ proxy: ProxyHarness) async {
        while FileManager.default.contents(atPath: proxy.tracePath)?.last != UInt8(ascii: "\n") { await Task.yield() }
    }
}
