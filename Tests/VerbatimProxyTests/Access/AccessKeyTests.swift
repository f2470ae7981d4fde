import Foundation
import TestSupport
import Testing
import VerbatimAPI
import VerbatimProxy
import VerbatimTesting

@Suite("Access keys of agents", .onOwnThreads, .timeLimit(.minutes(10)))
struct AccessKeyTests {
    static let routes = [Chat.path, "/v1/messages", "/v1/models", "/v1/embeddings", "/sessions/a/v1/completions", "/x"]

    static let wrong: [[(String, String)]] = [
        [], [("Authorization", "Bearer sk-wrong")], [("Authorization", "sk-ours")],
        [("Authorization", "Basic sk-ours")],
        [("Authorization", "Bearer sk-ours2")], [("Authorization", "Bearer sk-our")], [("Authorization", "Bearer ")],
        [("Authorization", "Bearer SK-OURS")], [("x-api-key", "")], [("api-key", "sk-ours, sk-ours")],
        [("Cookie", "sk-ours")], [("X-Key", "sk-ours")], [("Proxy-Authorization", "Bearer sk-ours")],
    ]

    @Test(
        "A request without a valid key is refused with 401 and reaches neither engine nor trace", arguments: routes,
        wrong)
    func requestWithoutAValidKeyIsRefused(path: String, headers: [(String, String)]) async throws {
        try await withProxy({ $0.apiKeys = [AccessKey("sk-ours")] }, script: Chat.engine.serve) { proxy in
            let response = try await post(port: proxy.port, path: path, headers: headers, body: Chat.unary)
            #expect(response.status == 401 && response.complete)
            #expect(response.header("WWW-Authenticate") == "Bearer")
            if path == "/v1/messages" {
                #expect(
                    response.bodyText.hasPrefix(#"{"type":"error","error":{"type":"authentication_error","message":"#))
            } else {
                let error = try OpenAIError(response.body)
                #expect(error.type == "invalid_request_error" && error.code == "invalid_api_key")
                #expect(error.param == nil)
            }
            #expect(!response.bodyText.contains("sk-"))
            #expect(proxy.engine.connectionCount == 0)
            #expect(try await proxy.finalRecords().isEmpty)
        }
    }

    @Test(
        "The refusal of a request without a key does not wait for its body",
        arguments: ["Content-Length: 1000000000", "Transfer-Encoding: chunked"], [false, true])
    func refusalDoesNotWaitForTheBody(framing: String, expects: Bool) async throws {
        try await withProxy({ $0.apiKeys = [AccessKey("sk-ours")] }, script: Chat.engine.serve) { proxy in
            let agent = try await proxy.connect()
            try await agent.send(
                "POST \(Chat.path) HTTP/1.1\r\nHost: x\r\n\(framing)\r\n"
                    + (expects ? "Expect: 100-continue\r\n" : "") + "\r\n")
            let response = try await agent.readResponse()
            #expect(response.status == 401 && response.header("Connection") == "close")
            await agent.close()
            #expect(try await proxy.finalRecords().isEmpty)
        }
    }

    @Test("A refused request without a body leaves its connection open for another")
    func refusedConnectionStaysOpen()
        async throws
    {
        try await withProxy({ $0.apiKeys = [AccessKey("sk-ours")] }, script: Chat.engine.serve) { proxy in
            let agent = try await proxy.connect()
            try await agent.send(requestBytes("GET", path: "/v1/models"))
            #expect(try await agent.readResponse().status == 401)
            try await agent.send(requestBytes("GET", path: "/v1/models", headers: [("api-key", "sk-ours")]))
            #expect(try await agent.readResponse().status != 401)
        }
    }

    struct Entrance: Sendable, CustomStringConvertible {
        let sent: [(String, String)]
        /// The credentials that the engine gets: without a key of its own, and with `sk-engine`.
        let plain: [String]
        let replaced: [String]
        var description: String { sent.map { "\($0.0): \($0.1)" }.joined(separator: ", ") }

        init(_ sent: [(String, String)], plain: [String] = [], replaced: [String]) {
            self.sent = sent
            self.plain = plain
            self.replaced = replaced
        }
    }

    static let entrances: [Entrance] = [
        .init([("Authorization", "Bearer sk-ours")], replaced: ["Authorization: Bearer sk-engine"]),
        .init([("authorization", "bearer  sk-two")], replaced: ["authorization: Bearer sk-engine"]),
        .init([("X-Api-Key", "sk-ours")], replaced: ["X-Api-Key: sk-engine"]),
        .init([("api-key", "sk-ours")], replaced: ["api-key: sk-engine"]),
        .init(
            [("Authorization", "Bearer sk-agent"), ("x-api-key", "sk-ours")],
            plain: ["Authorization: Bearer sk-agent"],
            replaced: ["Authorization: Bearer sk-engine", "x-api-key: sk-engine"]),
        .init(
            [("Authorization", "Bearer sk-ours"), ("api-key", "sk-agent"), ("X-Other", "sk-ours"), ("X-Kept", "sk-x")],
            plain: ["api-key: sk-agent", "X-Kept: sk-x"],
            replaced: ["Authorization: Bearer sk-engine", "api-key: sk-engine", "X-Kept: sk-x"]),
        .init(
            [("Authorization", "Bearer sk-wrong"), ("X-Other", "Token sk-ours"), ("x-api-key", "sk-two")],
            plain: ["Authorization: Bearer sk-wrong"],
            replaced: ["Authorization: Bearer sk-engine", "x-api-key: sk-engine"]),
    ]

    @Test("The engine never receives a key of the proxy", arguments: entrances, [Chat.path, "/v1/embeddings"])
    func proxyKeysNeverReachTheEngine(entrance: Entrance, path: String) async throws {
        for (key, expected) in [(nil, entrance.plain), ("sk-engine", entrance.replaced)] {
            try await withProxy(
                {
                    $0.apiKeys = [AccessKey("sk-ours"), AccessKey("sk-two")]
                    $0.upstreamAPIKey = key
                }, script: Chat.engine.serve
            ) { proxy in
                let response = try await post(port: proxy.port, path: path, headers: entrance.sent, body: Chat.unary)
                #expect(response.status != 401)
                let request = try #require(proxy.engine.requests.only)
                let sent = request.headers.filter { !["Host", "Content-Length", "Accept-Encoding"].contains($0.name) }
                #expect(sent.map { "\($0.name): \($0.value)" } == expected)
                let head = String(decoding: request.rawHead, as: UTF8.self)
                #expect(!head.contains("sk-ours") && !head.contains("sk-two"))
                for record in try await proxy.finalRecords() { #expect(!record.line.contains("sk-")) }
            }
        }
    }

    // MARK: Sessions

    private static func bound(_ configuration: inout ProxySetup) {
        configuration.apiKeys = [
            AccessKey("sk-a", session: "rollout-a"), AccessKey("sk-b", session: "rollout-b"), AccessKey("sk-free"),
        ]
    }

    @Test(
        "A key that is bound to a session is refused for any other",
        arguments: [
            ("/sessions/rollout-b/v1", []), ("/sessions/rollout-a:x/v1", []), ("/sessions/%2e%2e/v1", []),
            ("/v1", [("X-Verbatim-Session", "rollout-b")]), ("/v1", [("X-Verbatim-Session", "default")]),
            ("/v1", [("X-Verbatim-Session", "rollout-a"), ("X-Verbatim-Session", "rollout-a")]),
            ("/sessions/rollout-b/v1", [("X-Verbatim-Session", "rollout-a")]), ("/v1", [("X-Verbatim-Session", "")]),
        ])
    func aBoundKeyCannotNameAnotherSession(base: String, headers: [(String, String)]) async throws {
        try await withProxy(Self.bound, script: Chat.engine.serve) { proxy in
            for route in ["/chat/completions", "/models"] {
                let response = try await post(
                    port: proxy.port, path: base + route, headers: headers + [("x-api-key", "sk-a")], body: Chat.unary)
                #expect(response.status == 403)
                #expect(try OpenAIError(response.body).code == "session_not_allowed")
                #expect(!response.bodyText.contains("rollout"))
            }
            #expect(proxy.engine.requests.isEmpty)
            #expect(try await proxy.finalRecords().isEmpty)
        }
    }

    struct Claim: Sendable, CustomStringConvertible {
        let description: String
        var path = Chat.path
        var headers: [(String, String)] = []
        var body = Chat.unary
        var session = "rollout-a"
        var parent: String?
    }

    static let claims: [Claim] = [
        .init(description: "nothing"),
        .init(description: "its own name in the path", path: "/sessions/rollout-a/v1/chat/completions"),
        .init(description: "its own name in the header", headers: [("X-Verbatim-Session", "rollout-a")]),
        .init(
            description: "another's as agents say it", headers: [("X-Session-Id", "rollout-b"), ("session-id", "b")]),
        .init(
            description: "another's in the body",
            body: #"{"model":"m","messages":[],"prompt_cache_key":"rollout-b","session_id":"rollout-b"}"#),
        .init(
            description: "a sub-agent's", headers: [("x-claude-code-agent-id", "s")], session: "rollout-a:s",
            parent: "rollout-a"),
        .init(
            description: "a sub-agent of another's sub-agent",
            headers: [("x-claude-code-agent-id", "s"), ("x-claude-code-parent-agent-id", "rollout-b:t")],
            session: "rollout-a:s", parent: "rollout-a:rollout-b:t"),
        .init(description: "another's as its parent", headers: [("x-parent-session-id", "rollout-b")]),
        .init(
            description: "another's as its parent, with a thread",
            headers: [("x-codex-parent-thread-id", "rollout-b"), ("thread-id", "rollout-a"), ("session-id", "z")]),
        .init(
            description: "a thread of another's",
            headers: [("x-codex-parent-thread-id", "rollout-b"), ("thread-id", "u"), ("session-id", "z")],
            session: "rollout-a:u", parent: "rollout-a:rollout-b"),
    ]

    @Test("Turns with a bound key are recorded in its session, whatever session the agent claims", arguments: claims)
    func aBoundKeyWritesToItsSession(claim: Claim) async throws {
        try await withProxy(Self.bound, script: Chat.engine.serve) { proxy in
            let headers = claim.headers + [("Authorization", "Bearer sk-a")]
            _ = try await post(port: proxy.port, path: claim.path, headers: headers, body: claim.body)
            let record = try #require(try await proxy.finalRecords().only)
            #expect(record.session == claim.session && record.parentSession == claim.parent)
        }
    }

    @Test("A key that is not bound may name any session")
    func aKeyThatIsNotBoundNamesAnySession() async throws {
        try await withProxy(Self.bound, script: Chat.engine.serve) { proxy in
            for session in ["rollout-a", "rollout-c"] {
                _ = try await post(
                    port: proxy.port, path: "/sessions/\(session)/v1/chat/completions",
                    headers: [("x-api-key", "sk-free")], body: Chat.unary)
            }
            #expect(try await proxy.finalRecords().map(\.session) == ["rollout-a", "rollout-c"])
        }
    }

    // MARK: Health

    @Test("Health needs no key, and names sessions only to keys that may see all of them")
    func healthNeedsNoKeyAndNamesNoSession() async throws {
        try await withProxy(
            {
                Self.bound(&$0)
                $0.policy.requirement = .tokens
            }, script: { try await $0.respond(headers: [("Content-Type", "application/json")], body: Chat.body()) }
        ) { proxy in
            #expect(try await get(port: proxy.port, path: "/healthz").bodyText == #"{"status":"ok"}"#)
            _ = try await proxy.chat(headers: [("x-api-key", "sk-b")])
            for (key, isTold) in [("", false), ("sk-wrong", false), ("sk-a", false), ("sk-free", true)] {
                let health = try await get(port: proxy.port, path: "/healthz", headers: [("x-api-key", key)])
                #expect(health.status == 200 && health.bodyText.contains(#""status":"degraded""#))
                #expect(health.bodyText.contains("rollout-b") == isTold)
            }
            #expect(try await post(port: proxy.port, path: "/healthz", body: "").status == 401)
        }
    }
}
