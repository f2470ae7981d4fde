import TestSupport
import Testing
import VerbatimProxy
import VerbatimTesting

@Suite("The engine's key and the agent's", .onOwnThreads, .timeLimit(.minutes(10)))
struct HTTPSurfaceKeyTests {
    @Test("The engine's key replaces the agent's", arguments: HTTPSurfaceHeaderTests.routes)
    func theKeyReplacesTheAgents(path: String) async throws {
        try await withProxy({ $0.upstreamAPIKey = "sk-upstream" }, script: Chat.engine.serve) { proxy in
            for headers in [[("AUTHORIZATION", "Bearer agent"), ("authorization", "Basic eDp5"), ("X", "y")], []] {
                _ = try await post(port: proxy.port, path: path, headers: headers, body: Chat.unary)
            }
            #expect(
                proxy.engine.requests.map { $0.headerValues("authorization") } == [
                    ["Bearer sk-upstream"], ["Bearer sk-upstream"],
                ])
            #expect(proxy.engine.requests[0].headers.first { $0.value.hasPrefix("Bearer") }?.name == "AUTHORIZATION")
            for record in try await proxy.finalRecords() {
                #expect(!record.line.contains("sk-upstream") && !record.line.contains("eDp5"))
                #expect(!record.line.contains("Bearer"))
            }
        }
    }

    struct AgentKeys: Sendable, CustomStringConvertible {
        let sent: [(String, String)]
        /// In the order of the request.
        let forwarded: [String]
        var description: String { sent.map(\.0).joined(separator: ", ") }

        init(_ sent: [(String, String)], _ forwarded: [String]) {
            self.sent = sent
            self.forwarded = forwarded
        }
    }

    static let agentKeys: [AgentKeys] = [
        .init([("X-Api-Key", "agent-a")], ["X-Api-Key: sk-upstream"]),
        .init([("api-key", "agent-b")], ["api-key: sk-upstream"]),
        .init([("authorization", "Bearer agent-c")], ["authorization: Bearer sk-upstream"]),
        .init(
            [("Authorization", "Bearer agent-c"), ("x-api-key", "agent-a"), ("X-API-KEY", "agent-d")],
            ["Authorization: Bearer sk-upstream", "x-api-key: sk-upstream"]),
        .init(
            [("API-Key", "agent-b"), ("X-API-Key", "agent-a"), ("Authorization", "agent-c")],
            ["API-Key: sk-upstream", "X-API-Key: sk-upstream", "Authorization: Bearer sk-upstream"]),
        .init([("x-api-key", "")], ["x-api-key: sk-upstream"]),
    ]

    private func credentials(of request: MockRequest) -> [String] {
        request.headers.filter { ["authorization", "x-api-key", "api-key"].contains($0.name.lowercased()) }
            .map { "\($0.name): \($0.value)" }
    }

    @Test(
        "The engine's key is sent in the header in which the agent sent its own",
        arguments: HTTPSurfaceHeaderTests.routes + ["/v1/messages", "/v1/messages/count_tokens"], agentKeys)
    func engineKeyUsesTheAgentsHeader(path: String, keys: AgentKeys) async throws {
        try await withProxy({ $0.upstreamAPIKey = "sk-upstream" }, script: Chat.engine.serve) { proxy in
            _ = try await post(port: proxy.port, path: path, headers: keys.sent, body: Chat.unary)
            #expect(try self.credentials(of: #require(proxy.engine.requests.only)) == keys.forwarded)
            for record in try await proxy.finalRecords() {
                #expect(!record.line.contains("sk-upstream") && !record.line.contains("agent-"))
            }
        }
    }

    @Test(
        "The engine's key is added to a request without one",
        arguments: [
            ("/v1/messages", "x-api-key: sk-upstream"), ("/v1/messages/batches?a", "x-api-key: sk-upstream"),
            ("/sessions/a/v1/messages?beta=true", "x-api-key: sk-upstream"), ("/messages", "x-api-key: sk-upstream"),
            ("/v1/messagesx", "Authorization: Bearer sk-upstream"), ("/v1/models", "Authorization: Bearer sk-upstream"),
            ("/v1/threads/t/messages", "Authorization: Bearer sk-upstream"),
            (Chat.path, "Authorization: Bearer sk-upstream"),
        ])
    func anAgentWithoutAKeyGetsOne(path: String, expected: String) async throws {
        try await withProxy({ $0.upstreamAPIKey = "sk-upstream" }, script: Chat.engine.serve) { proxy in
            _ = try await post(port: proxy.port, path: path, body: Chat.unary)
            #expect(try self.credentials(of: #require(proxy.engine.requests.only)) == [expected])
        }
    }

    @Test("Without a key for the engine, the agent's keys are forwarded", arguments: HTTPSurfaceHeaderTests.routes)
    func agentKeysAreForwardedWithoutAnEngineKey(path: String) async throws {
        try await withProxy(script: Chat.engine.serve) { proxy in
            let headers = [("x-api-key", "agent-a"), ("API-KEY", "agent-b"), ("Authorization", "Bearer agent-c")]
            _ = try await post(port: proxy.port, path: path, headers: headers, body: Chat.unary)
            #expect(
                try self.credentials(of: #require(proxy.engine.requests.only))
                    == headers.map { "\($0.0): \($0.1)" })
            for record in try await proxy.finalRecords() { #expect(!record.line.contains("agent-")) }
        }
    }
}
