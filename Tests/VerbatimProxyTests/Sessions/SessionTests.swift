import TestSupport
import Testing
import VerbatimAPI
import VerbatimProxy
import VerbatimSchema
import VerbatimTesting
import VerbatimTrace

@Suite("Turns belong to the session that their request names", .onOwnThreads, .timeLimit(.minutes(10)))
struct SessionTests {
    // MARK: By path

    @Test(
        "A path names the session",
        arguments: [
            ("/sessions/rollout-1/v1/chat/completions", "rollout-1"),
            ("/sessions/a%3Ab%40c/v1/chat/completions/", "a:b@c"),
            ("http://proxy.example:7000/sessions/x/v1/chat/completions", "x"),
        ])
    func aPathNamesTheSession(target: String, session: String) async throws {
        try await withProxy(script: Chat.engine.serve) { proxy in
            let response = try await post(
                port: proxy.port, path: target + "?a=b%20c&d",
                headers: [("X-Verbatim-Session", "no id"), ("X-Session-Id", "other")], body: Chat.unary)
            #expect(response.status == 200)
            let request = try #require(proxy.engine.requests.only)
            #expect(request.target == "/v1/chat/completions?a=b%20c&d")
            #expect(request.header("X-Verbatim-Session") == nil && request.header("X-Session-Id") == "other")
            let record = try #require(try proxy.records().only)
            #expect(record.session == session && record.parentSession == nil && record.turn == 1)
            #expect(target.hasSuffix(record.path) && record.path.hasPrefix("/sessions/"), "as received")
            #expect(record.isComplete && record.problems.isEmpty)
        }
    }

    @Test(
        "Other routes are forwarded without the session prefix",
        arguments: [
            ("GET", "/sessions/x/v1/models?limit=2", "/v1/models?limit=2"), ("GET", "/sessions/x/v1", "/v1"),
            ("POST", "/sessions/x/v1/embeddings", "/v1/embeddings"),
            ("POST", "/sessions/x/v1/healthz", "/v1/healthz"),
            ("DELETE", "/sessions/x/v1/files/a%2Fb", "/v1/files/a%2Fb"),
            // A path without a session passes as it is.
            ("GET", "/sessions/x/healthz", "/sessions/x/healthz"),
            ("GET", "/sessions/x/metrics", "/sessions/x/metrics"),
            ("POST", "/sessions/x/chat/completions", "/sessions/x/chat/completions"), ("GET", "/sessions", "/sessions"),
        ])
    func otherRoutesAreForwardedWithoutTheName(method: String, target: String, expected: String) async throws {
        try await withProxy(script: Chat.engine.serve) { proxy in
            let agent = try await proxy.connect()
            let headers = [("x-verbatim-SESSION", "y"), ("session_id", "kept")]
            try await agent.send(requestBytes(method, path: target, headers: headers, body: []))
            _ = try await agent.readResponse()
            let request = try #require(proxy.engine.requests.only)
            #expect(request.method == method && request.target == expected)
            #expect(request.header("X-Verbatim-Session") == nil && request.header("session_id") == "kept")
            #expect(try await proxy.finalRecords().isEmpty)
        }
    }

    @Test("Paths without the session prefix go below the base path")
    func namesGoBelowTheBasePathToo() async throws {
        try await withProxy({ $0.upstreamURL = "{engine}/api?k=v" }, script: Chat.engine.serve) { proxy in
            _ = try await get(port: proxy.port, path: "/sessions/x/v1/models?n")
            _ = try await post(port: proxy.port, path: "/sessions/x/v1/chat/completions", body: Chat.unary)
            #expect(proxy.engine.requests.map(\.target) == ["/api/models?k=v&n", "/api/chat/completions?k=v"])
        }
    }

    @Test("Without capture the session prefix is removed as well")
    func sessionPrefixIsRemovedWithoutCapture()
        async throws
    {
        try await withProxy({ $0.capture = .off }, script: Chat.engine.serve) { proxy in
            let path = "/sessions/x/v1/chat/completions"
            _ = try await post(port: proxy.port, path: path, headers: [("X-Verbatim-Session", "y")], body: Chat.unary)
            let request = try #require(proxy.engine.requests.only)
            #expect(request.target == Chat.path && request.header("X-Verbatim-Session") == nil)
        }
    }

    // MARK: What is refused

    static let tooLong = String(repeating: "x", count: 201)

    @Test(
        "A path with an invalid session is refused",
        arguments: [
            "/sessions/a%20b/v1/chat/completions", "/sessions//v1/chat/completions", "/sessions/%2E%2e/v1/models",
            "/sessions/a%2Fb/v1/models", "/sessions/\(tooLong)/v1/chat/completions", "/sessions/%/v1/embeddings",
        ])
    func aPathThatNamesNoSessionIsRefused(path: String) async throws {
        try await refusal(of: path, headers: [])
    }

    @Test(
        "A header with an invalid session is refused", arguments: [Chat.path, "/v1/models"],
        ["", "..", "a b", "a/b", "ä", tooLong])
    func aHeaderThatNamesNoSessionIsRefused(path: String, name: String) async throws {
        try await refusal(of: path, headers: [("X-Verbatim-Session", name)])
    }

    @Test("Two names are refused")
    func twoNamesAreRefused() async throws {
        try await refusal(of: Chat.path, headers: [("X-Verbatim-Session", "a"), ("x-verbatim-session", "b")])
    }

    private func refusal(of path: String, headers: [(String, String)]) async throws {
        try await withProxy(script: Chat.engine.serve) { proxy in
            let agent = try await proxy.connect()
            try await agent.send(requestBytes("POST", path: path, headers: headers, body: Array(Chat.unary.utf8)))
            let response = try await agent.readResponse()
            #expect(response.status == 400 && response.complete)
            let error = try OpenAIError(response.body)
            #expect(error.type == "invalid_request_error" && error.message.contains("letters, digits and -_.:@+=~"))
            #expect(proxy.engine.requests.isEmpty)
            // The connection stays open, and no turn number is taken.
            try await agent.send(requestBytes("POST", path: Chat.path, body: Array(Chat.unary.utf8)))
            #expect(try await agent.readResponse().status == 200)
            #expect(try await proxy.finalRecords().map(\.turn) == [1])
        }
    }

    @Test("The refusal of a session does not wait for a body that awaits 100-continue")
    func aRefusalDoesNotWaitForTheBody() async throws {
        try await withProxy(script: Chat.engine.serve) { proxy in
            let agent = try await proxy.connect()
            try await agent.send(
                requestBytes(
                    "POST", path: Chat.path,
                    headers: [("Expect", "100-continue"), ("Content-Length", "9"), ("X-Verbatim-Session", "a b")]))
            #expect(try await agent.readResponse().status == 400)
            #expect(try await proxy.chat().status == 200)
        }
    }

    // MARK: By what agents send

    @Test(
        "A header names the session",
        arguments: [
            "X-Verbatim-Session", "X-Session-Id", "x-session-affinity", "session-id", "thread-id", "session_id",
            "conversation_id", "X-Claude-Code-Session-Id", "x-litellm-session-id", "x-affinity",
        ])
    func headerNamesTheSession(name: String) async throws {
        try await withProxy(script: Chat.engine.serve) { proxy in
            let body = #"{"model":"m","messages":[],"session_id":"body"}"#
            let response = try await proxy.chat(body, headers: [(name, "s-1")])
            #expect(response.status == 200)
            let request = try #require(proxy.engine.requests.only)
            #expect(request.header(name) == (name == "X-Verbatim-Session" ? nil : "s-1"))
            #expect(try await proxy.finalRecords().map(\.session) == ["s-1"])
        }
    }

    @Test("A field of the body names the session")
    func bodyFieldNamesTheSession() async throws {
        try await withProxy(script: Chat.engine.serve) { proxy in
            let body = #"{"model":"m","messages":[],"metadata":{"user_id":"{\"session_id\":\"s-2\"}"}}"#
            _ = try await proxy.chat(body, headers: [("X-Agent", "a")])
            _ = try await proxy.chat()
            #expect(try await proxy.finalRecords().map(\.session) == ["s-2", "default"])
        }
    }

    @Test("An invalid id of an agent's own does not fail its request")
    func invalidAgentIDDoesNotFailTheRequest() async throws {
        try await withProxy(script: Chat.engine.serve) { proxy in
            let headers = [("X-Session-Id", "my session"), ("thread-id", "t")]
            #expect(try await proxy.chat(headers: headers).status == 200)
            #expect(proxy.engine.requests.only?.header("X-Session-Id") == "my session")
            let record = try #require(try await proxy.finalRecords().only)
            #expect(record.session == "t" && record.problems == ["session_id_unusable"])
            #expect(record.isComplete && record.level == "tokens")
        }
    }

    @Test("Sub-agents have turns of their own")
    func subAgentsAreTurnsOfTheirOwn() async throws {
        try await withProxy(script: Chat.engine.serve) { proxy in
            let main = ("X-Claude-Code-Session-Id", "s")
            for agent in [nil, "a", nil, "a", "b"] {
                let headers = [main] + (agent.map { [("x-claude-code-agent-id", $0)] } ?? [])
                #expect(try await proxy.chat(headers: headers).status == 200)
            }
            let records = try await proxy.finalRecords()
            #expect(records.map(\.session) == ["s", "s:a", "s", "s:a", "s:b"])
            #expect(records.map(\.parentSession) == [nil, "s", nil, "s", "s"])
            #expect(records.map(\.turn) == [1, 1, 2, 2, 1])
            let turns = try TraceReader(path: proxy.tracePath).turns().turns
            #expect(turns.map(\.parentSessionID) == [nil, "s", nil, "s", "s"])
        }
    }

    // MARK: Numbers

    @Test("Sessions are numbered separately, and continue after a restart")
    func sessionsAreNumberedSeparatelyAcrossRestarts() async throws {
        let folder = try TemporaryFolder()
        let trace = folder.path("kept.jsonl")
        for _ in 1...2 {
            try await withProxy({ $0.trace.path = trace }, script: Chat.engine.serve) { proxy in
                let agent = try await proxy.connect()
                for session in ["a", "b", "a"] {
                    let path = "/sessions/\(session)/v1/chat/completions"
                    try await agent.send(requestBytes("POST", path: path, body: Array(Chat.unary.utf8)))
                    #expect(try await agent.readResponse().status == 200)
                    #expect(try await proxy.chat(Chat.stream, headers: [("X-Verbatim-Session", "b")]).status == 200)
                }
            }
        }
        let records = try TraceRecord.all(in: trace)
        let once = ["a", "b", "b", "b", "a", "b"]
        #expect(records.map(\.session) == once + once)
        #expect(records.filter { $0.session == "a" }.map(\.turn) == [1, 2, 3, 4])
        #expect(records.filter { $0.session == "b" }.map(\.turn) == [1, 2, 3, 4, 5, 6, 7, 8])
        var findings: [String] = []
        let summary = try TraceReader(path: trace).check { findings.append($0.message) }
        #expect(findings.isEmpty && summary.sessions == 2 && summary.turns == 12)
    }

    // MARK: Retries

    @Test("A repeated request names the turn that it repeats")
    func repeatedRequestNamesTheTurnItRepeats() async throws {
        try await withProxy(
            { $0.capture = .text },
            script: { exchange in
                if exchange.request.header("X-Fail") != nil {
                    try await exchange.respond(status: 503, body: #"{"error":{"message":"busy"}}"#)
                } else {
                    try await Chat.engine.serve(exchange)
                }
            }
        ) { proxy in
            func ask(_ session: String, _ body: String, count: String?, fails: Bool = false) async throws {
                let headers = [("X-Session-Id", session)] + (count.map { [("x-stainless-retry-count", $0)] } ?? [])
                #expect(
                    try await proxy.chat(body, headers: headers + (fails ? [("X-Fail", "1")] : [])).status
                        == (fails ? 503 : 200))
            }
            try await ask("a", Chat.unary, count: "0", fails: true)
            try await ask("a", Chat.stream, count: "0")
            try await ask("b", Chat.unary, count: "1")
            try await ask("a", Chat.unary, count: "1", fails: true)
            try await ask("a", Chat.unary, count: "2")
            try await ask("a", Chat.unary + " ", count: "1")
            try await ask("a", Chat.unary, count: nil)
            let records = try await proxy.finalRecords()
            #expect(records.map(\.turn) == [1, 2, 1, 3, 4, 5, 6])
            #expect(records.map(\.retryOf) == [nil, nil, nil, 1, 1, nil, nil])
            let turns = try TraceReader(path: proxy.tracePath).turns().turns
            #expect(turns.map(\.retryOf) == [nil, nil, nil, 1, 1, nil, nil])
            #expect(proxy.engine.requests[3].header("x-stainless-retry-count") == "1", "it is forwarded")
        }
    }

    @Test("Retries are recognized on every event loop")
    func retriesAreKnownOnEveryEventLoop() async throws {
        try await withProxy({ $0.threads = 4 }, script: Chat.engine.serve) { proxy in
            for count in 0...5 { _ = try await proxy.chat(headers: [("x-stainless-retry-count", "\(count)")]) }
            #expect(try await proxy.finalRecords().map(\.retryOf) == [nil, 1, 1, 1, 1, 1])
        }
    }
}
