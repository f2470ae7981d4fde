import Foundation
import TestSupport
import Testing
import VerbatimAPI
import VerbatimProxy
import VerbatimTesting
import VerbatimTrace

@Suite("The trace cannot be written", .onOwnThreads, .timeLimit(.minutes(10)))
struct TraceFailureTests {
    @Test("Turns are refused while the device is full")
    func aFullDeviceRefusesTurns() async throws {
        try await withProxy({ $0.trace.path = "/dev/full" }, script: Chat.engine.serve) { proxy in
            let agent = try await proxy.connect()
            for body in [Chat.unary, Chat.stream, Chat.unary] {
                try await agent.send(requestBytes("POST", path: Chat.path, body: Array(body.utf8)))
                let response = try await agent.readResponse()
                #expect(response.status == 503 && response.complete)
                let error = try OpenAIError(response.body)
                #expect(error.code == "trace_unavailable" && error.message.contains("No space left"))
            }
            try await agent.send(requestBytes("GET", path: "/healthz"))
            let health = try await agent.readResponse()
            #expect(health.status == 503)
            #expect(
                health.bodyText
                    == #"{"status":"unavailable","reason":"the trace cannot be written: No space left on device"}"#)
            try await agent.send(requestBytes("GET", path: "/v1/models"))
            #expect(try await agent.readResponse().status == 200)
            #expect(proxy.engine.requests.map(\.target) == ["/v1/models"])
        }
    }

    @Test("With capture off no trace is needed")
    func withCaptureOffNoTraceIsNeeded() async throws {
        try await withProxy(
            {
                $0.trace.path = "/dev/full"
                $0.capture = .off
            }, script: Chat.engine.serve
        ) { proxy in
            let response = try await proxy.chat(Chat.stream)
            #expect(response.status == 200 && response.complete)
        }
    }

    @Test("A turn whose record cannot be written fails, and is recorded later", arguments: Stage.allCases)
    func aRecordThatCannotBeWritten(stage: Stage) async throws {
        let files = GatedFileSystem()
        let mayEnd = Monitor(false)
        try await withProxy(
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
                let error = try OpenAIError(response.body)
                #expect(error.code == "trace_unavailable" && error.message.contains("No space left"))
                #expect(!error.message.contains(proxy.folder.path("")), "agents must not learn where the trace is")
            } else {
                try await agent.expectAbort()
            }
            // From now on turns are refused without asking the engine.
            let asked = proxy.engine.requests.count
            #expect(try await proxy.chat().status == 503)
            #expect(try await proxy.chat(Chat.stream).status == 503)
            #expect(try await get(port: proxy.port, path: "/healthz").status == 503)
            #expect(proxy.engine.requests.count == asked)

            files.set(.open)
            while try await proxy.chat(headers: [Chat.warmUpHeader]).status == 503 {}
            #expect(try await get(port: proxy.port, path: "/healthz").bodyText == #"{"status":"ok"}"#)
            let records = try await proxy.finalRecords()
            let first = 1 + stage.recordsBefore
            #expect(records.map(\.turn) == Array(1...(first + 1)), "refused turns take no number, records none twice")
            #expect(records[first - 1].problems.contains("trace_write_failed") && !records[first - 1].isComplete)
            #expect(records[first - 1].status == (stage.isUnary ? 503 : 200))
            #expect(!records[first].problems.contains("trace_write_failed") && records[first].status == 200)
        }
    }

    @Test("Renaming the trace during running turns loses none of them")
    func aRenamedTraceUnderRunningTurns()
        async throws
    {
        let mayEnd = Monitor(false)
        try await withProxy(
            script: Chat.warmable { exchange in
                try await Stage.midStream.play(exchange)
                await mayEnd.wait { $0 }
                try await Stage.midStream.finish(exchange)
            }
        ) { proxy in
            #expect(try await proxy.chat(headers: [Chat.warmUpHeader]).complete)
            let agent = try await proxy.startChat(Chat.stream)
            try await Stage.midStream.readVisiblePart(agent)
            let rotated = proxy.folder.path("trace.jsonl.1")
            try FileManager.default.moveItem(atPath: proxy.tracePath, toPath: rotated)
            mayEnd.update { $0 = true }
            _ = try await agent.read(until: "0\r\n\r\n")
            #expect(try TraceRecord.all(in: rotated).map(\.turn) == [1])
            #expect(try await proxy.finalRecords().map(\.turn) == [2])
        }
    }

    @Test("A session beyond the limit is refused")
    func tooManySessions() async throws {
        try await withProxy({ $0.trace.maximumSessions = 2 }, script: Chat.engine.serve) { proxy in
            func chat(_ session: String, path: String = Chat.path, body: String = Chat.unary) async throws
                -> RawResponse
            {
                try await post(port: proxy.port, path: path, headers: [("X-Verbatim-Session", session)], body: body)
            }
            for session in ["a", "b"] { #expect(try await chat(session).status == 200) }
            let asked = proxy.engine.requests.count
            let refused = try await chat("c")
            #expect(refused.status == 503 && refused.complete)
            #expect(try OpenAIError(refused.body).code == "too_many_sessions")
            #expect(proxy.engine.requests.count == asked)
            #expect(try await chat("a").status == 200)
            #expect(try await get(port: proxy.port, path: "/healthz").status == 200)
            #expect(try await proxy.finalRecords().map { "\($0.session) \($0.turn)" } == ["a 1", "b 1", "a 2"])
        }
    }

    @Test("Records of failed turns are written once the trace is writable")
    func otherOutcomesAreWrittenLater() async throws {
        let files = GatedFileSystem()
        try await withProxy(
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
