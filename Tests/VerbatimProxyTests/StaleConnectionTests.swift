import VerbatimTesting
import Synchronization
import TestSupport
import Testing

@testable import VerbatimProxy

/// A kept connection that the engine closes while the next request is on its way.
@Suite(.onOwnThreads, .timeLimit(.minutes(3))) struct StaleConnectionTests {
    /// Answers the first request of a connection and closes it when a second one comes.
    private static func oneRequestOnly() -> MockEngine.Script {
        let served = Mutex<Set<Int>>([])
        return { exchange in
            let isFirst = served.withLock { $0.insert(exchange.request.connection).inserted }
            if isFirst { try await Chat.engine.serve(exchange) } else { await exchange.close() }
        }
    }

    @Test func costsTheAgentNoError() async throws {
        try await withServer({ $0.threads = 1 }, script: Self.oneRequestOnly()) { proxy in
            for _ in 1...3 { #expect(try await proxy.chat().status == 200) }
            let records = try await proxy.finalRecords()
            #expect(records.map(\.turn) == [1, 2, 3] && records.allSatisfy { $0.outcome == "completed" })
            // The second and third request were asked twice.
            #expect(proxy.engine.requests.count == 5)
        }
    }

    @Test func neitherWhereItPasses() async throws {
        try await withServer({ $0.threads = 1 }, script: Self.oneRequestOnly()) { proxy in
            for _ in 1...3 {
                let response = try await get(port: proxy.port, path: "/v1/models")
                #expect(response.status != 502)
            }
        }
    }

    /// What has a body that has been passed on already is not repeated.
    @Test func anUploadIsNotRepeated() async throws {
        try await withServer({ $0.threads = 1 }, script: Self.oneRequestOnly()) { proxy in
            _ = try await get(port: proxy.port, path: "/v1/models")
            let response = try await post(port: proxy.port, path: "/v1/files", body: "x")
            #expect(response.status == 502)
        }
    }

    /// An engine that never answers such a request is asked twice, not for ever.
    @Test func isRepeatedOnce() async throws {
        let hasServed = Mutex(false)
        try await withServer(
            { $0.threads = 1 },
            script: { exchange in
                let isFirst = hasServed.withLock { served in
                    defer { served = true }
                    return !served
                }
                if isFirst { try await Chat.engine.serve(exchange) } else { await exchange.close() }
            }
        ) { proxy in
            let first = try await proxy.chat()
            let second = try await proxy.chat()
            #expect(first.status == 200 && second.status == 502)
            #expect(try await proxy.finalRecords().map(\.outcome) == ["completed", "upstream_disconnected"])
            #expect(proxy.engine.requests.count == 3)
        }
    }
}
