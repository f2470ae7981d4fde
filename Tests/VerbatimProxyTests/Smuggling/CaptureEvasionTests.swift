import TestSupport
import Testing
import VerbatimProxy
import VerbatimTesting

/// An agent cannot evade capture by the spelling of a path, or by a route that is not captured.
@Suite(.onOwnThreads, .timeLimit(.minutes(10))) struct CaptureEvasionTests {
    @Test(
        "Another spelling of a captured route is captured",
        arguments: [
            "/v1/%63hat/completions", "//v1/chat/completions", "/v1/./chat/completions?a=b",
            "/v1/x/../chat/completions",
            "/V1/Chat/Completions", "/v1/chat/completions//", "/sessions/s/v1/%63hat/completions",
            "/sessions/s/v1//chat/completions", "/sessions/%73/v1/x/../chat/completions",
        ])
    func anotherSpellingIsCaptured(target: String) async throws {
        try await withProxy(script: Chat.engine.serve) { proxy in
            let response = try await post(port: proxy.port, path: target, body: Chat.unary)
            #expect(response.status == 200)
            let query = target.contains("?") ? "?a=b" : ""
            #expect(proxy.engine.requests.map(\.target) == ["/v1/chat/completions\(query)"])
            let record = try #require(try await proxy.finalRecords().only)
            #expect(record.outcome == "completed" && target.hasPrefix(record.path), "the path as received")
            #expect(record.session == (target.hasPrefix("/sessions/") ? "s" : "default"))
        }
    }

    @Test(
        "A path that the engine could take for a captured route is refused",
        arguments: [
            "/v1/chat%2Fcompletions", "/v1/chat/completions;x", "/v1/chat/completions%3f", "/v1/%2563hat/completions",
        ])
    func ambiguousPathIsRefused(target: String) async throws {
        try await withProxy(script: Chat.engine.serve) { proxy in
            for prefix in ["", "/sessions/s"] {
                let response = try await post(port: proxy.port, path: prefix + target, body: Chat.unary)
                #expect(try response.status == 400 && OpenAIError(response.body).code == "invalid_request")
            }
            #expect(proxy.engine.requests.isEmpty)
        }
    }

    @Test("With --only-captured no other route is forwarded but the list of models")
    func onlyCapturedRoutesPass()
        async throws
    {
        try await withProxy({ $0.onlyCaptured = true }, script: Chat.engine.serve) { proxy in
            for path in ["/completion", "/generate", "/tokenize", "/v1/embeddings", "/sessions/s/v1/embeddings"] {
                let response = try await post(port: proxy.port, path: path, body: Chat.unary)
                #expect(try response.status == 403 && OpenAIError(response.body).code == "route_not_allowed")
            }
            let count = try await post(port: proxy.port, path: "/v1/messages/count_tokens", body: "{}")
            #expect(
                count.status == 403 && count.bodyText.hasPrefix(#"{"type":"error","error":{"type":"permission_error""#))
            #expect(proxy.engine.requests.isEmpty)
            #expect(try await get(port: proxy.port, path: "/v1/models").status == 200)
            #expect(try await get(port: proxy.port, path: "/healthz").status == 200)
            #expect(try await proxy.chat().status == 200)
            #expect(proxy.engine.requests.map(\.target) == ["/v1/models", "/v1/chat/completions"])
        }
    }
}
