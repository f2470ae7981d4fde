import Synchronization
import TestSupport
import Testing
import VerbatimAPI
import VerbatimProxy
import VerbatimTesting

@Suite("Replies through the proxy are those that the engine sends without it", .onOwnThreads, .timeLimit(.minutes(10)))
struct DifferentialTests {
    struct Setting: Sendable, CustomStringConvertible {
        let flavor: ScriptedChat.Flavor
        let isExplicit: Bool
        let goal: CaptureGoal

        var profile: EngineProfile? {
            switch (isExplicit, flavor) {
            case (false, _): nil
            case (true, .vllm): .vllm
            case (true, .llamacpp): .llamaCpp
            case (true, .openai): .openAI
            }
        }

        var description: String { "\(flavor) \(isExplicit ? "explicit" : "auto") \(goal)" }
    }

    static let settings = ScriptedChat.Flavor.allCases.flatMap { flavor in
        [false, true].flatMap { isExplicit in
            CaptureGoal.allCases.map { Setting(flavor: flavor, isExplicit: isExplicit, goal: $0) }
        }.filter { !$0.isExplicit || $0.goal != .off }
    }

    static let requests: [CaptureRequest] = {
        var requests: [CaptureRequest] = []
        for bits in 0..<64 {
            func bit(_ place: Int) -> Bool { bits >> place & 1 == 1 }
            let request = CaptureRequest(
                stream: bit(0), tools: bit(1), usage: bit(2), n: bit(3) ? 2 : 1, asksLogprobs: bit(4), asksIDs: bit(5))
            // Only streams have the option to include usage.
            if request.stream || !request.usage { requests.append(request) }
        }
        return requests
    }()

    /// Half of the requests; the settings that are neighbors share all of them.
    private static func requests(of setting: Setting) -> [CaptureRequest] {
        let number = settings.firstIndex { $0.description == setting.description } ?? 0
        return requests.indices.filter { ($0 + $0 / 2 + number) % 2 == 0 }.map { requests[$0] }
    }

    @Test("The reply has the bytes that the engine sends to an agent directly", arguments: settings)
    func bytesAreThoseOfTheEngine(setting: Setting) async throws {
        let engine = try await MockEngine.start(script: CaptureScript.chat(setting.flavor).serve)
        // If the engine is recognized by its first reply, each request needs a new proxy. Otherwise findings are cached
        // for each model, so each request uses its own model name.
        let recognizes = !setting.isExplicit && setting.goal != .off
        let requests = Self.requests(of: setting)
        for requests in recognizes ? requests.map({ [$0] }) : [requests] {
            try await CaptureProxy.run(to: engine) { settings in
                settings.engine = setting.profile
                settings.policy.goal = setting.goal
                settings.policy.topLogprobs = 1
            } _: { proxy in
                for (index, request) in requests.enumerated() {
                    var request = request
                    request.model = "mock/scripted-\(index)"
                    try await compare(request, setting, proxy)
                }
            }
        }
        await engine.stop()
    }

    private func compare(_ request: CaptureRequest, _ setting: Setting, _ proxy: CaptureProxy) async throws {
        let direct = try await directReply(to: request, setting.flavor, proxy)
        let before = setting.goal == .off ? 0 : try proxy.records().count
        // The first request meets an engine whose capabilities are unknown. An engine that its reply identifies gets
        // other injections from then on, which the second request tries. The last request finds everything known.
        let rounds = setting.goal == .tokens || setting.goal == .logprobs ? setting.isExplicit ? 2 : 3 : 1
        let agent = try await RawAgent.connect(port: proxy.server.port)
        for round in 1...rounds {
            try await agent.send(
                requestBytes(
                    "POST", path: CaptureProxy.path, headers: CaptureProxy.headers, body: Array(request.body.utf8)))
            let proxied = try await agent.readResponse()
            expectSame(proxied, direct, inChunks: setting.goal != .off, "\(setting), round \(round): \(request)")
        }
        await agent.close()
        if setting.goal != .off { try checkRecords(proxy, after: before, rounds, direct, request, setting) }
    }

    /// What the engine sends without the proxy. It depends on the request alone, and is asked for once.
    private func directReply(
        to request: CaptureRequest, _ flavor: ScriptedChat.Flavor, _ proxy: CaptureProxy
    ) async throws -> RawResponse {
        let key = "\(flavor) \(request.body)"
        if let known = Self.directReplies.withLock({ $0[key] }) { return known }
        let reply = try await proxy.askDirectly(request.body)
        Self.directReplies.withLock { $0[key] = reply }
        return reply
    }

    private static let directReplies = Mutex<[String: RawResponse]>([:])

    /// Expects the turns to be recorded alike.
    private func checkRecords(
        _ proxy: CaptureProxy, after before: Int, _ count: Int, _ direct: RawResponse, _ request: CaptureRequest,
        _ setting: Setting
    ) throws {
        let records = Array(try proxy.records().dropFirst(before))
        let comment: Comment = "\(setting): \(request)"
        try #require(records.count == count, comment)
        for (index, record) in records.enumerated() {
            #expect(record["turn"] == String(before + index + 1))
            #expect(record["status"] == String(direct.status), comment)
            #expect(record["outcome"] == (direct.status == 200 ? #""completed""# : #""upstream_error""#), comment)
            for field in ["completion_tokens", "completion_token_ids", "per_token_logps", "choices", "response"] {
                #expect(record[field] == records[0][field], comment)
            }
        }
    }

    @Test("A stream with pauses arrives event by event", arguments: ScriptedChat.Flavor.allCases)
    func pacedStreamArrivesEventByEvent(
        flavor: ScriptedChat.Flavor
    ) async throws {
        var chat = CaptureScript.chat(flavor)
        chat.pacing = .milliseconds(2)
        try await CaptureProxy.run(chat.serve) { proxy in
            let body = CaptureRequest(stream: true, usage: true).body
            let direct = try await proxy.askDirectly(body)
            for _ in 1...2 { expectSame(try await proxy.ask(body), direct, inChunks: true, "\(flavor)") }
        }
    }
}

/// Expects two replies to differ in their framing at most.
func expectSame(
    _ proxied: RawResponse, _ direct: RawResponse, inChunks: Bool, _ comment: @autoclosure () -> Comment,
    sourceLocation: SourceLocation = #_sourceLocation
) {
    func headers(_ response: RawResponse) -> [String] {
        let framing = ["content-length", "transfer-encoding", "connection", "keep-alive"]
        return response.headers.filter { !framing.contains($0.0.lowercased()) }.map { "\($0.0): \($0.1)" }
    }
    #expect(proxied.complete && direct.complete, comment(), sourceLocation: sourceLocation)
    #expect(proxied.status == direct.status, comment(), sourceLocation: sourceLocation)
    #expect(proxied.reason == direct.reason, comment(), sourceLocation: sourceLocation)
    #expect(headers(proxied) == headers(direct), comment(), sourceLocation: sourceLocation)
    if proxied.body != direct.body {
        let place = zip(proxied.body, direct.body).enumerated().first { $0.1.0 != $0.1.1 }?.offset ?? 0
        let excerpts = [proxied, direct].map {
            String(decoding: $0.body.dropFirst(max(0, place - 60)).prefix(300), as: UTF8.self)
        }
        Issue.record(
            "\(comment()): bodies differ at \(place): proxied …\(excerpts[0])… direct …\(excerpts[1])…",
            sourceLocation: sourceLocation)
    }
    if inChunks && proxied.chunks != direct.chunks {
        let texts = [proxied, direct].map { $0.chunks.map { String(decoding: $0, as: UTF8.self) } }
        Issue.record("\(comment()): chunks differ: \(texts[0]) instead of \(texts[1])", sourceLocation: sourceLocation)
    }
}
