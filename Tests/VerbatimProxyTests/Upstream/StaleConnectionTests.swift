import Synchronization
import TestSupport
import Testing
import VerbatimTesting

@testable import VerbatimProxy

@Suite(
    "Kept connections that the engine closes while the next request is on its way", .onOwnThreads,
    .timeLimit(.minutes(10)))
struct StaleConnectionTests {
    /// Answers the first request of a connection, and closes it at the second.
    private static func oneRequestOnly() -> MockEngine.Script {
        let served = Mutex<Set<Int>>([])
        return { exchange in
            let isFirst = served.withLock { $0.insert(exchange.request.connection).inserted }
            if isFirst { try await Chat.engine.serve(exchange) } else { await exchange.close() }
        }
    }

    @Test("A captured request is sent again without the agent noticing")
    func capturedRequestIsSentAgain() async throws {
        try await withProxy({ $0.threads = 1 }, script: Self.oneRequestOnly()) { proxy in
            for _ in 1...3 { #expect(try await proxy.chat().status == 200) }
            let records = try await proxy.finalRecords()
            #expect(records.map(\.turn) == [1, 2, 3] && records.allSatisfy { $0.outcome == "completed" })
            // The second and third request were sent twice.
            #expect(proxy.engine.requests.count == 5)
        }
    }

    @Test("A forwarded request is sent again without the agent noticing")
    func forwardedRequestIsSentAgain() async throws {
        try await withProxy({ $0.threads = 1 }, script: Self.oneRequestOnly()) { proxy in
            for _ in 1...3 {
                let response = try await get(port: proxy.port, path: "/v1/models")
                #expect(response.status != 502)
            }
        }
    }

    @Test("A request whose body was forwarded is not sent again")
    func anUploadIsNotRepeated() async throws {
        try await withProxy({ $0.threads = 1 }, script: Self.oneRequestOnly()) { proxy in
            _ = try await get(port: proxy.port, path: "/v1/models")
            let response = try await post(port: proxy.port, path: "/v1/files", body: "x")
            #expect(response.status == 502)
        }
    }

    @Test("A request is sent again once, not for ever")
    func isRepeatedOnce() async throws {
        let hasServed = Mutex(false)
        try await withProxy(
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
