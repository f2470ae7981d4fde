import Logging
import VerbatimTesting
import NIOCore
import VerbatimProxy
import TestSupport
import VerbatimTrace
import Verbatim
import VerbatimAPI

/// A proxy in front of a scripted engine, with a trace of its own.
final class ProxyHarness: Sendable {
    let engine: MockEngine
    let folder: TemporaryFolder
    let port: Int
    private let stopProxy: @Sendable () async -> Void

    init(engine: MockEngine, folder: TemporaryFolder, port: Int, stop: @escaping @Sendable () async -> Void) {
        self.engine = engine
        self.folder = folder
        self.port = port
        stopProxy = stop
    }

    var tracePath: String { folder.path("trace.jsonl") }

    // MARK: Asking

    func connect(receiveBuffer: Int? = nil) async throws -> RawAgent {
        try await RawAgent.connect(port: port, receiveBuffer: receiveBuffer)
    }

    /// A chat completion on a connection of its own.
    func chat(
        _ body: String = Chat.unary, headers: [(String, String)] = [("Content-Type", "application/json")]
    ) async throws -> RawResponse {
        try await post(port: port, path: Chat.path, headers: headers, body: body)
    }

    /// An agent whose chat completion is on its way.
    func startChat(
        _ body: String = Chat.unary, headers: [(String, String)] = [], receiveBuffer: Int? = nil
    ) async throws -> RawAgent {
        let agent = try await connect(receiveBuffer: receiveBuffer)
        try await agent.send(requestBytes("POST", path: Chat.path, headers: headers, body: Array(body.utf8)))
        return agent
    }

    // MARK: The trace

    /// What the trace holds now.
    func records() throws -> [TraceRecord] { try TraceRecord.all(in: tracePath) }

    /// What the trace holds once the proxy has stopped: then nothing more can come.
    func finalRecords() async throws -> [TraceRecord] {
        await stopProxy()
        return try records()
    }

    func stop() async { await stopProxy() }
}

/// Runs `body` with a proxy whose engine follows `script`.
func withProxy(
    _ configure: (inout ProxyConfiguration) -> Void = { _ in }, script: @escaping MockEngine.Script,
    _ body: (ProxyHarness) async throws -> Void
) async throws {
    let engine = try await MockEngine.start(script: script)
    let folder = try TemporaryFolder()
    var configuration = ProxyConfiguration(upstreamURL: engine.url)
    configuration.trace = folder.path("trace.jsonl")
    configuration.port = 0
    configuration.liftTimeLimits()
    configuration.engine = .vllm
    configuration.shutdownGrace = .seconds(2)
    configure(&configuration)
    // `{engine}` stands for what is not known before the engine listens.
    configuration.upstreamURL = configuration.upstreamURL.replacing("{engine}", with: engine.url)
    let proxy = InterceptionProxy(configuration: configuration)
    try await proxy.start()
    let harness = ProxyHarness(engine: engine, folder: folder, port: proxy.port) { await proxy.stop() }
    try await harness.run(body)
}

/// Runs `body` with a server whose trace is kept by `fileSystem`, and whose settings go beyond the public ones.
func withServer(
    fileSystem: TraceFileSystem = .system, sync: TraceRecorder.Configuration.Sync = .write, sessions: Int = 1000,
    _ configure: (inout ProxySettings) -> Void = { _ in }, script: @escaping MockEngine.Script,
    _ body: (ProxyHarness) async throws -> Void
) async throws {
    let engine = try await MockEngine.start(script: script)
    let folder = try TemporaryFolder()
    var trace = TraceRecorder.Configuration(path: folder.path("trace.jsonl"))
    trace.retryInterval = .milliseconds(10)
    trace.sync = sync
    trace.maximumSessions = sessions
    let recorder = try TraceRecorder(trace, fileSystem: fileSystem) { _ in }
    var settings = ProxySettings(upstream: try UpstreamURL(engine.url))
    settings.port = 0
    settings.engine = .vllm
    settings.liftTimeLimits()
    configure(&settings)
    let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
    let server = try await ProxyServer.start(settings, recorder: recorder, logger: logger)
    let isStopped = Monitor(false)
    let harness = ProxyHarness(engine: engine, folder: folder, port: server.port) {
        if isStopped.update({ isStopped in
            defer { isStopped = true }
            return isStopped
        }) {
            return
        }
        await server.stop(grace: .seconds(2))
        recorder.close()
    }
    try await harness.run(body)
}

// However busy the machine is, no limit strikes that a test has not set.

extension ProxyConfiguration {
    fileprivate mutating func liftTimeLimits() {
        refusalTime = .seconds(3600)
        connectTimeout = .seconds(3600)
        headTimeout = .seconds(3600)
        bodyTimeout = .seconds(3600)
        engineKeepAlive = .seconds(3600)
    }
}

extension ProxySettings {
    mutating func liftTimeLimits() {
        limits.refusalTime = .hours(1)
        limits.connectTimeout = .hours(1)
        limits.headTimeout = .hours(1)
        limits.bodyTimeout = .hours(1)
        limits.engineKeepAlive = .hours(1)
    }
}

extension ProxyHarness {
    fileprivate func run(_ body: (ProxyHarness) async throws -> Void) async throws {
        do {
            try await body(self)
        } catch {
            await engine.stop()
            await stop()
            throw error
        }
        await engine.stop()
        await stop()
    }
}
