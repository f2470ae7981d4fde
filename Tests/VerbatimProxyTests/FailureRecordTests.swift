import VerbatimTesting
import TestSupport
import Testing
import Verbatim

/// What a record says of replies that failed in unusual ways.
@Suite(.onOwnThreads, .timeLimit(.minutes(3))) struct FailureRecordTests {
    private static let json = ("Content-Type", "application/json")

    /// Some servers answer 200 with an error in it.
    @Test func anErrorInASuccess() async throws {
        let body = #"{"error":{"message":"slow down","code":429}}"#
        try await withProxy(script: { try await $0.respond(headers: [Self.json], body: body) }) { proxy in
            #expect(try await proxy.chat().bodyText == body)
            let record = try #require(try await proxy.finalRecords().only)
            #expect(record.outcome == "upstream_error" && record.status == 200 && record.upstreamStatus == 200)
            #expect(record.upstreamError == #"{"error":{"code":429,"message":"slow down"}}"#)
        }
    }

    @Test func aPageInASuccess() async throws {
        let body = "<html>Bad \"gateway\"</html>"
        try await withProxy(script: { try await $0.respond(headers: [("Content-Type", "text/html")], body: body) }) {
            proxy in
            #expect(try await proxy.chat().bodyText == body)
            let record = try #require(try await proxy.finalRecords().only)
            #expect(record.upstreamError == #"{"error":"<html>Bad \"gateway\"</html>"}"#)
            #expect(record.problems == ["reply_not_json"] && record.level == "none")
        }
    }

    @Test func nothingToChooseFrom() async throws {
        let body = #"{"choices":[]}"#
        try await withProxy(script: { try await $0.respond(headers: [Self.json], body: body) }) { proxy in
            #expect(try await proxy.chat().bodyText == body)
            let record = try #require(try await proxy.finalRecords().only)
            #expect(record.problems == ["no_token_data"] && !record.isComplete)
        }
    }

    @Test func aCompressedError() async throws {
        let headers = [Self.json, ("Content-Encoding", "gzip")]
        let body: [UInt8] = [0x1F, 0x8B, 8, 0, 0xFF]
        try await withProxy(script: { try await $0.respond(status: 400, headers: headers, body: body) }) { proxy in
            #expect(try await proxy.chat().body == body)
            let record = try #require(try await proxy.finalRecords().only)
            #expect(record.upstreamError == nil && record.problems.contains("reply_compressed"))
        }
    }

    @Test func anErrorEventAndTheConnectionIsGone() async throws {
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

    /// An engine that never says anything has a latency, and not one before its time.
    @Test func theLatencyOfSilence() async throws {
        try await withProxy({ $0.requestTimeout = .milliseconds(200) }, script: { await $0.peerClosed() }) { proxy in
            #expect(try await proxy.chat().status == 504)
            let record = try #require(try await proxy.finalRecords().only)
            #expect(record.latency > 0.1)
        }
    }
}
