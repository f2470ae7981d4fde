import NIOCore
import TestSupport
import Testing
import VerbatimHTTP
import VerbatimProxy
import VerbatimTesting

@Suite("Records of replies that fail in unusual ways", .onOwnThreads, .timeLimit(.minutes(10)))
struct FailureRecordTests {
    private static let json = ("Content-Type", "application/json")

    @Test("An error in a reply with status 200 is recorded as an upstream error")
    func errorWithStatus200IsAnUpstreamError() async throws {
        let body = #"{"error":{"message":"slow down","code":429}}"#
        try await withProxy(script: { try await $0.respond(headers: [Self.json], body: body) }) { proxy in
            #expect(try await proxy.chat().bodyText == body)
            let record = try #require(try await proxy.finalRecords().only)
            #expect(record.outcome == "upstream_error" && record.status == 200 && record.upstreamStatus == 200)
            #expect(record.upstreamError == #"{"error":{"code":429,"message":"slow down"}}"#)
        }
    }

    @Test("An HTML page with status 200 is recorded as text that is not JSON")
    func htmlWithStatus200IsNotJSON() async throws {
        let body = "<html>Bad \"gateway\"</html>"
        try await withProxy(script: { try await $0.respond(headers: [("Content-Type", "text/html")], body: body) }) {
            proxy in
            #expect(try await proxy.chat().bodyText == body)
            let record = try #require(try await proxy.finalRecords().only)
            #expect(record.upstreamError == #"{"error":"<html>Bad \"gateway\"</html>"}"#)
            #expect(record.problems == ["reply_not_json"] && record.level == "none")
        }
    }

    @Test("A reply without choices is recorded as one without token data")
    func replyWithoutChoicesHasNoTokenData() async throws {
        let body = #"{"choices":[]}"#
        try await withProxy(script: { try await $0.respond(headers: [Self.json], body: body) }) { proxy in
            #expect(try await proxy.chat().bodyText == body)
            let record = try #require(try await proxy.finalRecords().only)
            #expect(record.problems == ["no_token_data"] && !record.isComplete)
        }
    }

    @Test("A compressed error is passed on, and recorded as compressed")
    func aCompressedError() async throws {
        let headers = [Self.json, ("Content-Encoding", "gzip")]
        let body: [UInt8] = [0x1F, 0x8B, 8, 0, 0xFF]
        try await withProxy(script: { try await $0.respond(status: 400, headers: headers, body: body) }) { proxy in
            #expect(try await proxy.chat().body == body)
            let record = try #require(try await proxy.finalRecords().only)
            #expect(record.upstreamError == nil && record.problems.contains("reply_compressed"))
        }
    }

    @Test("An error event counts although the connection ends after it")
    func errorEventCountsIfTheConnectionEnds()
        async throws
    {
        try await withProxy(script: { exchange in
            try await exchange.startEventStream()
            try await exchange.sendEvent(Chat.event(1))
            try await exchange.sendEvent(#"{"error":{"message":"out of memory","code":500}}"#)
            await exchange.close()
        }) { proxy in
            #expect(try await !proxy.chat(Chat.stream).complete)
            let record = try #require(try await proxy.finalRecords().only)
            #expect(record.outcome == "upstream_error" && record.upstreamStatus == 500)
        }
    }

    @Test("A turn that times out has the latency of its timeout")
    func latencyOfATimedOutTurnIsItsTimeout() async throws {
        let clock = ManualClock()
        try await withProxy(
            {
                $0.clock = HTTPClock(clock)
                $0.requestTimeout = .seconds(10)
            }, script: { await $0.peerClosed() }
        ) { proxy in
            async let reply = proxy.chat()
            await proxy.engine.waitForRequests(1)
            try await clock.advance(by: .seconds(10))
            #expect(try await reply.status == 504)
            let record = try #require(try await proxy.finalRecords().only)
            #expect(record.latency == 10)
        }
    }
}
