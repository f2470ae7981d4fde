import TestSupport
import Testing
import VerbatimTesting

@Suite("The engine closes or resets its connection", .onOwnThreads, .timeLimit(.minutes(10)))
struct FaultEngineGoneTests {
    enum Break: CaseIterable, Sendable {
        case close, reset

        func perform(on exchange: MockExchange) async {
            switch self {
            case .close: await exchange.close()
            case .reset: await exchange.reset()
            }
        }
    }

    @Test(
        "A turn whose engine disconnects leaves one record, at every stage", arguments: Stage.allCases, Break.allCases)
    func leavesOneRecord(stage: Stage, how: Break) async throws {
        let isVisible = Monitor(false)
        try await withProxy(
            script: Chat.warmable { exchange in
                try await stage.play(exchange)
                await isVisible.wait { $0 }
                await how.perform(on: exchange)
            }
        ) { proxy in
            try await stage.prepare(proxy)
            let agent = try await proxy.startChat(stage.request)
            try await stage.readVisiblePart(agent)
            isVisible.update { $0 = true }
            if stage.agentHasHead {
                try await agent.expectAbort()
            } else {
                let response = try await agent.readResponse()
                #expect(response.status == 502 && response.complete)
                #expect(response.header("Content-Type") == "application/json")
                #expect(try response.errorMessage().contains("the upstream closed the connection early"))
                #expect(!agent.isClosed, "the agent's connection stays open")
                await agent.close()
            }
            let records = try await proxy.finalRecords()
            #expect(records.map(\.turn) == Array(1...(1 + stage.recordsBefore)))
            let record = try #require(records.last)
            #expect(record.outcome == "upstream_disconnected")
            #expect(record.status == (stage.agentHasHead ? 200 : 502))
            #expect(record.tokenIDs == stage.tokenIDs)
            #expect(!record.isComplete)
            if stage.agentHasHead {
                #expect(record.problems.contains("reply_cut_off"))
            } else if how == .close {
                #expect(record.upstreamStatus == stage.engineStatus)
                #expect(record.upstreamError?.contains("closed the connection early") == true)
            }
        }
    }

    @Test("A stream that ends before [DONE] is cut off for the agent", arguments: Break.allCases)
    func streamThatEndsBeforeDoneIsCutOff(how: Break) async throws {
        let isVisible = Monitor(false)
        try await withProxy(script: { exchange in
            try await Stage.midStream.play(exchange)
            try await exchange.sendEvent(Chat.finish)
            await isVisible.wait { $0 }
            await how.perform(on: exchange)
        }) { proxy in
            let agent = try await proxy.startChat(Chat.stream)
            _ = try await agent.read(until: "\"stop\"")
            isVisible.update { $0 = true }
            try await agent.expectAbort()
            let record = try #require(try await proxy.finalRecords().only)
            #expect(record.outcome == "upstream_disconnected" && record.tokenIDs == [1, 2])
            #expect(record.finishReason == "stop" && !record.isComplete)
        }
    }

    @Test("A stream that ends after [DONE] is complete, although its framing is not", arguments: Break.allCases)
    func streamThatEndsAfterDoneIsComplete(how: Break) async throws {
        let isVisible = Monitor(false)
        try await withProxy(script: { exchange in
            try await Stage.midStream.play(exchange)
            try await exchange.sendEvent(Chat.finish)
            try await exchange.sendEvent("[DONE]")
            await isVisible.wait { $0 }
            await how.perform(on: exchange)
        }) { proxy in
            let agent = try await proxy.startChat(Chat.stream)
            _ = try await agent.read(until: "data: [DONE]\n\n")
            isVisible.update { $0 = true }
            try await agent.expectAbort()
            let record = try #require(try await proxy.finalRecords().only)
            #expect(record.outcome == "completed" && record.tokenIDs == [1, 2] && record.status == 200)
        }
    }

    @Test("A stream that is shorter than its Content-Length is cut off")
    func aStreamWithALengthIsCutOff() async throws {
        try await withProxy(script: { exchange in
            try await exchange.send(
                "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: 100000\r\n\r\n"
                    + "data: \(Chat.event(1))\n\n")
            await exchange.close()
        }) { proxy in
            for _ in 1...2 {
                let agent = try await proxy.startChat(Chat.stream)
                _ = try await agent.read(until: "t1 ")
                try await agent.expectAbort()
            }
            let records = try await proxy.finalRecords()
            #expect(records.map(\.outcome) == ["upstream_disconnected", "upstream_disconnected"])
            #expect(records.allSatisfy { $0.tokenIDs == [1] })
        }
    }

    @Test(
        "A second attempt that fails leaves one turn with one record", arguments: Break.allCases,
        [Chat.unary, Chat.stream])
    func inASecondAttempt(how: Break, body: String) async throws {
        let attempts = Monitor(0)
        try await withProxy(script: { exchange in
            let attempt = attempts.update { count in
                count += 1
                return count
            }
            if attempt == 1 {
                try await exchange.respond(
                    status: 400, body: #"{"error":{"message":"logprobs are not supported"}}"#)
            } else {
                await how.perform(on: exchange)
            }
        }) { proxy in
            let response = try await proxy.chat(body)
            #expect(response.status == 502 && response.complete)
            let record = try #require(try await proxy.finalRecords().only)
            #expect(record.outcome == "upstream_disconnected" && record.status == 502 && record.upstreamStatus == nil)
            #expect(attempts.state >= 2)
        }
    }

    @Test("A stream that ends with its connection is complete")
    func streamFramedByItsConnectionIsComplete() async throws {
        try await withProxy(script: { exchange in
            try await Stage.midUnframedStream.play(exchange)
            try await exchange.send("data: \(Chat.finish)\n\ndata: [DONE]\n\n")
            await exchange.close()
        }) { proxy in
            let response = try await proxy.chat(Chat.stream)
            #expect(response.complete && response.bodyText.hasSuffix("data: [DONE]\n\n"))
            #expect(response.header("Transfer-Encoding") == "chunked")
            let record = try #require(try await proxy.finalRecords().only)
            #expect(record.outcome == "completed" && record.tokenIDs == [1, 2])
        }
    }

    @Test(
        "A reset is not the end of a reply that ends with its connection", arguments: ["stream", "unary", "forwarded"])
    func aResetIsNotTheEndOfAnUnframedReply(kind: String) async throws {
        let isVisible = Monitor(false)
        try await withProxy(script: { exchange in
            switch kind {
            case "stream":
                try await Stage.midUnframedStream.play(exchange)
                try await exchange.send("data: \(Chat.finish)\n\n")
                await isVisible.wait { $0 }
            case "unary":
                try await exchange.send("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n{\"id\":")
            default:
                try await exchange.send("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\nstart")
                await isVisible.wait { $0 }
            }
            await exchange.reset()
        }) { proxy in
            if kind == "unary" {
                #expect(try await proxy.chat().status == 502)
            } else {
                let agent = try await proxy.connect()
                let body = Array(Chat.stream.utf8)
                try await agent.send(requestBytes("POST", path: kind == "stream" ? Chat.path : "/x", body: body))
                _ = try await agent.read(until: kind == "stream" ? "\"stop\"" : "start")
                isVisible.update { $0 = true }
                try await agent.expectAbort()
            }
            #expect(
                try await proxy.finalRecords().map(\.outcome) == (kind == "forwarded" ? [] : ["upstream_disconnected"]))
        }
    }

    @Test("A reply that is not HTTP becomes a 502")
    func invalidHTTPReplyBecomes502() async throws {
        try await withProxy(script: { exchange in
            try await exchange.send("SSH-2.0-OpenSSH_9.6\r\n\r\n")
        }) { proxy in
            let response = try await proxy.chat()
            #expect(response.status == 502)
            #expect(try response.errorMessage().contains("malformed HTTP response"))
            #expect(try await get(port: proxy.port, path: "/v1/models").status == 502)
            #expect(try await proxy.finalRecords().map(\.outcome) == ["upstream_disconnected"])
        }
    }

    @Test("A kept connection that the engine has closed is not used again")
    func aKeptConnectionMayEnd() async throws {
        try await withProxy(script: { exchange in
            try await exchange.respond(headers: [("Content-Type", "application/json")], body: Chat.body())
            await exchange.close()
        }) { proxy in
            let agent = try await proxy.connect()
            for turn in 1...3 {
                try await agent.send(requestBytes("POST", path: Chat.path, body: Array(Chat.unary.utf8)))
                #expect(try await agent.readResponse().status == 200)
                await proxy.engine.waitForOpenConnections(atMost: 0)
                #expect(proxy.engine.connectionCount == turn)
                // A round trip on the same event loop, after the end of the connection was noticed.
                try await agent.send(requestBytes("GET", path: "/healthz"))
                #expect(try await agent.readResponse().status == 200)
            }
            #expect(try await proxy.finalRecords().map(\.outcome) == ["completed", "completed", "completed"])
        }
    }
}

extension Array {
    /// The only element; `nil` if there are none or several.
    var only: Element? { count == 1 ? first : nil }
}
