import MockEngine
import TestSupport
import Testing
import Verbatim

/// §6: the trace cannot be written.
@Suite(.onOwnThreads, .timeLimit(.minutes(3))) struct TraceFailureTests {
    @Test func aFullDeviceRefusesTurns() async throws {
        try await withProxy({ $0.trace = "/dev/full" }, script: Chat.engine.serve) { proxy in
            let agent = try await proxy.connect()
            for body in [Chat.unary, Chat.stream, Chat.unary] {
                try await agent.send(requestBytes("POST", path: Chat.path, body: Array(body.utf8)))
                let response = try await agent.readResponse()
                #expect(response.status == 503 && response.complete)
                let error = try OpenAIError(response.body)
                #expect(error.code == "trace_unavailable" && error.message.contains("No space left"))
            }
            try await agent.send(requestBytes("GET", path: "/healthz"))
            #expect(try await agent.readResponse().status == 200)
            try await agent.send(requestBytes("GET", path: "/v1/models"))
            #expect(try await agent.readResponse().status == 200)
            #expect(proxy.engine.requests.map(\.target) == ["/v1/models"])
        }
    }

    @Test func withCaptureOffNoTraceIsNeeded() async throws {
        try await withProxy(
            {
                $0.trace = "/dev/full"
                $0.capture = .off
            }, script: Chat.engine.serve
        ) { proxy in
            let response = try await proxy.chat(Chat.stream)
            #expect(response.status == 200 && response.complete)
        }
    }

    @Test(arguments: Stage.allCases)
    func aRecordThatCannotBeWritten(stage: Stage) async throws {
        let files = GatedFileSystem()
        let mayEnd = Monitor(false)
        try await withServer(
            fileSystem: files.system,
            script: Chat.warmable { exchange in
                try await stage.play(exchange)
                await mayEnd.wait { $0 }
                try await stage.finish(exchange)
            }
        ) { proxy in
            try await stage.prepare(proxy)
            let agent = try await proxy.startChat(stage.request)
            try await stage.readVisiblePart(agent)
            await proxy.engine.waitForRequests(1 + stage.recordsBefore)
            files.set(.failing)
            mayEnd.update { $0 = true }
            if stage.isUnary {
                let response = try await agent.readResponse()
                #expect(response.status == 503 && response.complete)
                #expect(try OpenAIError(response.body).code == "trace_unavailable")
            } else {
                try await agent.expectAbort()
            }
            // From now on turns are refused before the engine hears of them.
            let asked = proxy.engine.requests.count
            #expect(try await proxy.chat().status == 503)
            #expect(try await proxy.chat(Chat.stream).status == 503)
            #expect(try await get(port: proxy.port, path: "/healthz").status == 200)
            #expect(proxy.engine.requests.count == asked)

            files.set(.open)
            while try await proxy.chat(headers: [Chat.warmUpHeader]).status == 503 {}
            let records = try await proxy.finalRecords()
            let first = 1 + stage.recordsBefore
            #expect(records.map(\.turn) == Array(1...(first + 1)), "refused turns take no number, records none twice")
            #expect(records[first - 1].problems.contains("trace_write_failed") && !records[first - 1].isComplete)
            #expect(records[first - 1].status == (stage.isUnary ? 503 : 200))
            #expect(!records[first].problems.contains("trace_write_failed") && records[first].status == 200)
        }
    }

    /// Records of agents that left, and of engines that failed, are kept as well once they can be.
    @Test func otherOutcomesAreWrittenLater() async throws {
        let files = GatedFileSystem()
        try await withServer(
            fileSystem: files.system,
            script: Chat.warmable { exchange in
                try await Stage.midStream.play(exchange)
                if exchange.request.header("X-Reset") != nil {
                    await exchange.close()
                } else {
                    await exchange.peerClosed()
                }
            }
        ) { proxy in
            let leaving = try await proxy.startChat(Chat.stream)
            let abandoned = try await proxy.startChat(Chat.stream, headers: [("X-Reset", "1")])
            try await Stage.midStream.readVisiblePart(leaving)
            files.set(.failing)
            await leaving.reset()
            try await abandoned.expectAbort()
            await proxy.engine.waitForOpenConnections(atMost: 0)
            files.set(.open)
            let records = try await proxy.finalRecords()
            #expect(records.map(\.turn).sorted() == [1, 2])
            #expect(Set(records.map(\.outcome)) == ["client_disconnected", "upstream_disconnected"])
            #expect(records.allSatisfy { $0.tokenIDs == [1, 2] })
        }
    }
}
