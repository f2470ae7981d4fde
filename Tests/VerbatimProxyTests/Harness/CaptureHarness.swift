import Foundation
import NIOCore
import Synchronization
import TestSupport
import Testing
import VerbatimAPI
import VerbatimHTTP
import VerbatimJSON
import VerbatimPlatform
import VerbatimProxy
import VerbatimTesting
import VerbatimTrace

/// A proxy in front of a scripted engine, its trace, and an agent with one connection to each.
struct CaptureProxy: Sendable {
    let server: ProxyServer
    let engine: MockEngine
    let trace: String
    private let writtenRecords: Monitor<Int>
    private let lines: TraceLines

    static let path = "/v1/chat/completions"
    static let headers = [("Content-Type", "application/json"), ("X-Agent", "a")]

    /// Runs a proxy for as long as `body` runs. `configure` may set `policy.goal` to `.off` for one without a trace.
    static func run(
        to engine: MockEngine, clock: HTTPClock = .system,
        _ configure: (inout ProxySettings) -> Void = { _ in },
        _ body: (CaptureProxy) async throws -> Void
    ) async throws {
        let folder = try TemporaryFolder()
        let trace = folder.path("trace.jsonl")
        var settings = ProxySettings(upstream: try UpstreamURL(engine.url))
        settings.port = 0
        settings.threads = 1
        settings.liftTimeLimits()
        configure(&settings)
        let writtenRecords = Monitor(0)
        let recorder =
            settings.policy.goal == .off
            ? nil
            : try TraceRecorder(.init(path: trace), fileSystem: .system.counting(writtenRecords)) { _ in }
        let server = try await ProxyServer.start(settings, recorder: recorder, clock: clock, logger: .silent)
        let result: Result<Void, any Error>
        do {
            let proxy = CaptureProxy(
                server: server, engine: engine, trace: trace, writtenRecords: writtenRecords,
                lines: TraceLines(path: trace))
            result = .success(try await body(proxy))
        } catch {
            result = .failure(error)
        }
        await server.stop(grace: .zero)
        recorder?.close()
        try result.get()
    }

    /// Runs an engine and a proxy in front of it.
    static func run(
        _ script: @escaping MockEngine.Script, clock: HTTPClock = .system,
        _ configure: (inout ProxySettings) -> Void = { _ in },
        _ body: (CaptureProxy) async throws -> Void
    ) async throws {
        let engine = try await MockEngine.start(script: script)
        do {
            try await run(to: engine, clock: clock, configure, body)
            await engine.stop()
        } catch {
            await engine.stop()
            throw error
        }
    }

    // MARK: Asking

    /// Through the proxy, on a connection of its own.
    func ask(_ body: String) async throws -> RawResponse {
        try await post(port: server.port, path: Self.path, headers: Self.headers, body: body)
    }

    /// Past the proxy.
    func askDirectly(_ body: String) async throws -> RawResponse {
        try await post(port: engine.port, path: Self.path, headers: Self.headers, body: body)
    }

    /// An agent that has sent a request and read nothing yet.
    func agent(asking body: String) async throws -> RawAgent {
        let agent = try await RawAgent.connect(port: server.port)
        try await agent.send(requestBytes("POST", path: Self.path, headers: Self.headers, body: Array(body.utf8)))
        return agent
    }

    /// Waits until the proxy, which has one event loop, has handled what had arrived before: it has answered since.
    func catchUp() async throws {
        for _ in 0..<3 { _ = try await get(port: server.port, path: "/healthz") }
    }

    // MARK: The trace

    /// The records that are in the trace now.
    func records() throws -> [CaptureRecord] { try lines.records() }

    /// Waits until the trace holds `count` records, for turns whose end the agent cannot see.
    func records(atLeast count: Int) async throws -> [CaptureRecord] {
        await writtenRecords.wait { $0 >= count }
        return try records()
    }

    /// The bodies that the engine has received.
    var forwarded: [String] { engine.requests.map(\.bodyText) }
}

/// The records of a trace that grows, each of which is read and parsed once.
private final class TraceLines: Sendable {
    private let path: String
    private let state = Mutex((lines: LineBuffer(), records: [CaptureRecord]()))

    init(path: String) { self.path = path }

    func records() throws -> [CaptureRecord] {
        try state.withLock { state in
            let file = try OpenFile(path, for: .reading)
            repeat {
                while let line = state.lines.nextLine() {
                    state.records.append(CaptureRecord(line: Array(state.lines.bytes[line.range])))
                }
            } while try state.lines.fill(from: file)
            try #require(state.lines.tail.length == 0, "the last line is torn")
            return state.records
        }
    }
}

/// One line of a trace, as JSON text.
struct CaptureRecord: Sendable, CustomStringConvertible {
    let line: [UInt8]
    /// Kept, since a test asks for one member after the other.
    private let object: JSONObject?

    init(line: [UInt8]) {
        self.line = line
        object = try? JSONObject(document: line.span)
    }

    var description: String { String(decoding: line, as: UTF8.self) }

    /// The JSON text at a path of keys and indices, or nil if the path leads nowhere.
    subscript(path: String...) -> String? { text(at: path) }

    private func text(at path: [String]) -> String? {
        guard let name = path.first, let object,
            var text = object.member(named: name, in: line.span)?.value.bytes(in: line.span)
        else { return nil }
        for name in path.dropFirst() {
            guard let next = Int(name).map({ Self.element($0, of: text) }) ?? Self.member(name, of: text) else {
                return nil
            }
            text = next
        }
        return String(decoding: text, as: UTF8.self)
    }

    /// The strings of an array, decoded.
    func strings(_ path: String) throws -> [String] {
        try JSONDecoder().decode([String].self, from: Data((self[path] ?? "null").utf8))
    }

    /// The decoded string at a path of keys and indices.
    func string(_ path: String...) throws -> String? {
        try text(at: path).flatMap {
            try JSONSerialization.jsonObject(with: Data($0.utf8), options: .fragmentsAllowed) as? String
        }
    }

    /// Level, completeness and problems, such as `tokens complete` or `text no_token_data`.
    var capture: String {
        let level = self["capture", "level"]?.dropFirst().dropLast() ?? "?"
        let complete = self["capture", "complete"] == "true" ? ["complete"] : []
        let problems = (self["capture", "problems"] ?? "").filter { !"[]\"".contains($0) }.split(separator: ",")
        return ([String(level)] + complete + problems.map(String.init)).joined(separator: " ")
    }

    private static func member(_ name: String, of text: [UInt8]) -> [UInt8]? {
        guard let object = try? JSONObject(document: text.span) else { return nil }
        return object.member(named: name, in: text.span)?.value.bytes(in: text.span)
    }

    private static func element(_ index: Int, of text: [UInt8]) -> [UInt8]? {
        var cursor = JSONCursor()
        guard (try? cursor.enterArray(in: text.span)) != nil else { return nil }
        var position = 0
        while (try? cursor.nextElement(in: text.span)) ?? false {
            guard let value = try? cursor.skipValue(in: text.span) else { return nil }
            if position == index { return value.bytes(in: text.span) }
            position += 1
        }
        return nil
    }
}

/// A chat completion request, with the properties that matter here.
struct CaptureRequest: Sendable, CustomStringConvertible {
    var model = "mock/scripted-1"
    var stream = false
    var tools = false
    var usage = false
    var n = 1
    var asksLogprobs = false
    var asksIDs = false
    /// Further members, each after a comma.
    var more = ""

    var body: String {
        // A tool result instead of tools makes the script answer with plain text.
        let messages =
            tools
            ? #"[{"role": "user", "content": "Grüße"}]"#
            : #"[{"role": "user", "content": "Grüße"}, {"role": "tool", "content": "67M"}]"#
        return #"{ "model": "\#(model)", "messages": \#(messages), "temperature": 0.0"#
            + (stream ? #", "stream": true"# : "")
            + (usage ? #", "stream_options": {"include_usage": true}"# : "")
            + (tools ? #", "tools": [{"type": "function", "function": {"name": "bash"}}]"# : "")
            + (n > 1 ? #", "n": \#(n)"# : "")
            + (asksLogprobs ? #", "logprobs": true, "top_logprobs": 2"# : "")
            + (asksIDs ? #", "return_token_ids": true"# : "") + more + " }"
    }

    var description: String { body }
}

/// Two replies to each kind of request: one that thinks and calls a tool, and plain ones with unusual characters.
enum CaptureScript {
    static let awkward = ScriptedReply(
        .reasoning([ScriptedToken(11, "Hm…", "-1.5e-05")])
            + .content([
                ScriptedToken(21, "Grüße", "-8.283243179321289"), ScriptedToken(22, " 😀", "-0.0"),
                ScriptedToken(23, "\u{2028}\"\\/\n", "-9998.75"), ScriptedToken(24, "日本", "-1E-2"),
            ]),
        stopToken: ScriptedToken(2, "</s>", "-0.25"))

    static let conversation = Conversation(
        opening: ScriptedTurn(
            promptTokenIDs: [1, 3, 5, 7], replies: [Conversation.demo.opening.replies[0], awkward]),
        afterToolResult: ScriptedTurn(
            promptTokenIDs: [1, 3, 5, 7, 9], replies: [awkward, Conversation.demo.afterToolResult.replies[0]]))

    static func chat(_ flavor: ScriptedChat.Flavor) -> ScriptedChat { ScriptedChat(flavor, conversation) }

    static func replies(to request: CaptureRequest) -> [ScriptedReply] {
        Array((request.tools ? conversation.opening : conversation.afterToolResult).replies.prefix(request.n))
    }
}
