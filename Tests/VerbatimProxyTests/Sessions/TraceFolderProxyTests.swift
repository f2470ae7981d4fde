import Foundation
import TestSupport
import Testing
import VerbatimProxy
import VerbatimTesting
import VerbatimTrace

/// A proxy that keeps a trace for each rollout.
@Suite("A trace for each rollout", .onOwnThreads, .timeLimit(.minutes(5))) struct TraceFolderProxyTests {
    private let folder: TemporaryFolder
    private var path: String { folder.path("traces") }

    init() throws { folder = try TemporaryFolder() }

    private func withProxy(
        keys: [AccessKey] = [], openFiles: Int = 256, rollouts: Int = 10_000,
        _ body: (_ port: Int) async throws -> Void
    ) async throws {
        let engine = try await MockEngine.start(script: Chat.engine.serve)
        var settings = ProxySettings(upstream: try UpstreamURL(engine.url))
        settings.port = 0
        settings.threads = 2
        settings.liftTimeLimits()
        settings.apiKeys = keys
        var configuration = TraceFolder.Configuration(.init(path: path))
        configuration.maximumOpenFiles = openFiles
        configuration.maximumRollouts = rollouts
        let traces = try TraceFolder(configuration) { _ in }
        let server = try await ProxyServer.start(settings, recorder: traces, logger: .silent)
        let result: Result<Void, any Error>
        do {
            result = .success(try await body(server.port))
        } catch {
            result = .failure(error)
        }
        await server.stop(grace: .zero)
        await engine.stop()
        try result.get()
    }

    private func turns(_ rollout: String) throws -> [String] {
        try TraceRecord.all(in: "\(path)/\(rollout).jsonl").map { "\($0.session) \($0.turn)" }
    }

    private func ask(
        _ port: Int, _ headers: [(String, String)] = [], path: String = Chat.path, body: String = Chat.unary
    ) async throws -> Int {
        try await post(port: port, path: path, headers: headers, body: body).status
    }

    private func succeeds(
        _ port: Int, _ headers: [(String, String)] = [], path: String = Chat.path, body: String = Chat.unary
    ) async throws {
        let status = try await ask(port, headers, path: path, body: body)
        #expect(status == 200)
    }

    @Test("A rollout has the turns of its root and of all its sub-agents, over restarts")
    func families() async throws {
        let claude = "X-Claude-Code-Session-Id"
        for _ in 1...2 {
            try await withProxy(keys: [AccessKey("k", session: "bound"), AccessKey("free")]) { port in
                let free = ("x-api-key", "free")
                let bound = ("x-api-key", "k")
                try await succeeds(port, [bound])
                try await succeeds(port, [bound, ("x-claude-code-agent-id", "s")])
                // Whatever parent it names.
                try await succeeds(port, [bound, ("X-Session-Id", "x"), ("x-parent-session-id", "named")])
                try await succeeds(port, [free, ("X-Verbatim-Session", "named")], body: Chat.stream)
                try await succeeds(
                    port, [free, ("x-claude-code-agent-id", "s")], path: "/sessions/named/v1/chat/completions")
                try await succeeds(port, [free, (claude, "own")])
                try await succeeds(port, [free, (claude, "own"), ("x-claude-code-agent-id", "s")])
                try await succeeds(port, [free, ("X-Session-Id", "t2"), ("x-parent-session-id", "own:s")])
                try await succeeds(port, [free])
            }
        }
        #expect(try turns("bound") == ["bound 1", "bound:s 1", "bound:x 1", "bound 2", "bound:s 2", "bound:x 2"])
        #expect(try turns("named") == ["named 1", "named:s 1", "named 2", "named:s 2"])
        #expect(try turns("own") == ["own 1", "own:s 1", "t2 1", "own 2", "own:s 2", "t2 2"])
        #expect(try turns("default") == ["default 1", "default 2"])
    }

    @Test("A rollout whose file cannot be opened is refused, others are not")
    func badFile() async throws {
        try FileManager.default.createDirectory(atPath: path + "/bad.jsonl", withIntermediateDirectories: true)
        try await withProxy { port in
            let refused = try await post(
                port: port, path: Chat.path, headers: [("X-Verbatim-Session", "bad")], body: Chat.unary)
            #expect(refused.status == 503)
            let error = try OpenAIError(refused.body)
            #expect(error.code == "trace_unavailable")
            #expect(refused.bodyText.contains(path) == false)
            try await succeeds(port, [("X-Verbatim-Session", "good")])
            let health = try await get(port: port, path: "/healthz")
            #expect(health.status == 200)
            try FileManager.default.removeItem(atPath: path + "/bad.jsonl")
            try await succeeds(port, [("X-Verbatim-Session", "bad")])
        }
        #expect(try turns("bad") == ["bad 1"] && turns("good") == ["good 1"])
    }

    @Test("Many rollouts at once, with few files open")
    func manyAtOnce() async throws {
        try await withProxy(openFiles: 3, rollouts: 5) { port in
            try await withThrowingTaskGroup(of: Int.self) { group in
                for worker in 0..<8 {
                    group.addTask {
                        for turn in 0..<12 {
                            let status = try await ask(port, [("X-Verbatim-Session", "r\(worker)-\(turn / 3)")])
                            if status != 200 { return status }
                        }
                        return 200
                    }
                }
                for try await status in group { #expect(status == 200) }
            }
        }
        for worker in 0..<8 {
            for number in 0..<4 {
                let name = "r\(worker)-\(number)"
                #expect(try turns(name) == (1...3).map { "\(name) \($0)" })
            }
        }
    }
}
