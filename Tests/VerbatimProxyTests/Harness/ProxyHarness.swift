import Logging
import NIOCore
import TestSupport
import VerbatimAPI
import VerbatimHTTP
import VerbatimPlatform
import VerbatimProxy
import VerbatimTesting
import VerbatimTrace

/// A proxy in front of a scripted engine, with a trace of its own.
final class ProxyHarness: Sendable {
    let engine: MockEngine
    let folder: TemporaryFolder
    let port: Int
    private let writtenRecords: Monitor<Int>
    private let agents = Monitor<[RawAgent]>([])
    private let stopProxy: @Sendable () async -> Void

    init(
        engine: MockEngine, folder: TemporaryFolder, port: Int, writtenRecords: Monitor<Int>,
        stop: @escaping @Sendable () async -> Void
    ) {
        self.engine = engine
        self.folder = folder
        self.port = port
        self.writtenRecords = writtenRecords
        stopProxy = stop
    }

    var tracePath: String { folder.path("trace.jsonl") }

    // MARK: Requests

    func connect(receiveBuffer: Int? = nil) async throws -> RawAgent {
        let agent = try await RawAgent.connect(port: port, receiveBuffer: receiveBuffer)
        agents.update { $0.append(agent) }
        return agent
    }

    /// Sends a chat completion on a connection of its own.
    func chat(
        _ body: String = Chat.unary, headers: [(String, String)] = [("Content-Type", "application/json")]
    ) async throws -> RawResponse {
        try await post(port: port, path: Chat.path, headers: headers, body: body)
    }

    /// Returns an agent that has sent a chat completion and has not read the reply.
    func startChat(
        _ body: String = Chat.unary, headers: [(String, String)] = [], receiveBuffer: Int? = nil
    ) async throws -> RawAgent {
        let agent = try await connect(receiveBuffer: receiveBuffer)
        try await agent.send(requestBytes("POST", path: Chat.path, headers: headers, body: Array(body.utf8)))
        return agent
    }

    // MARK: Progress

    /// Waits until `count` records have been written to the trace.
    func waitForRecords(_ count: Int) async { await writtenRecords.wait { $0 >= count } }

    /// Waits until a proxy with one event loop has handled what had arrived before: it has answered requests since.
    func catchUp(requests: Int = 3) async throws {
        let agent = try await connect()
        for _ in 0..<requests {
            try await agent.send(requestBytes("GET", path: "/healthz"))
            _ = try await agent.readResponse()
        }
        await agent.close()
    }

    /// Waits until a sender that counts in `sent` makes no progress while the proxy handles many other requests.
    ///
    /// - Returns: The count at which it stalled.
    func waitForStall(of sent: Monitor<Int>) async throws -> Int {
        await sent.wait { $0 > 0 }
        var before = 0
        while sent.state != before {
            before = sent.state
            try await catchUp(requests: 50)
        }
        return before
    }

    // MARK: The trace

    /// The records that are in the trace now.
    func records() throws -> [TraceRecord] { try TraceRecord.all(in: tracePath) }

    /// Stops the proxy, after which no record can follow, and returns what the trace holds.
    func finalRecords() async throws -> [TraceRecord] {
        await stopProxy()
        return try records()
    }

    func stop() async { await stopProxy() }
}

/// What a test may change of its proxy. The settings of the server are members of it.
@dynamicMemberLookup
struct ProxySetup {
    var settings: ProxySettings
    /// `{engine}` is replaced by the URL of the scripted engine.
    var upstreamURL = "{engine}"
    var trace: TraceRecorder.Configuration
    var clock = HTTPClock.system
    /// How long running turns may finish when the proxy is stopped. Turns of most tests end by themselves.
    var shutdownGrace = Duration.seconds(3600)

    subscript<Value>(dynamicMember path: WritableKeyPath<ProxySettings, Value>) -> Value {
        get { settings[keyPath: path] }
        set { settings[keyPath: path] = newValue }
    }

    var capture: CaptureGoal {
        get { settings.policy.goal }
        set { settings.policy.goal = newValue }
    }
}

/// Runs `body` with a proxy whose engine follows `script`, and whose trace is written by `fileSystem`.
func withProxy(
    fileSystem: TraceFileSystem = .system, _ configure: (inout ProxySetup) throws -> Void = { _ in },
    script: @escaping MockEngine.Script, _ body: (ProxyHarness) async throws -> Void
) async throws {
    let engine = try await MockEngine.start(script: script)
    let folder = try TemporaryFolder()
    var setup = ProxySetup(
        settings: ProxySettings(upstream: try UpstreamURL(engine.url)),
        trace: TraceRecorder.Configuration(path: folder.path("trace.jsonl")))
    setup.trace.retryInterval = .milliseconds(10)
    setup.port = 0
    setup.engine = .vllm
    setup.settings.liftTimeLimits()
    try configure(&setup)
    setup.upstream = try UpstreamURL(setup.upstreamURL.replacing("{engine}", with: engine.url))
    let writtenRecords = Monitor(0)
    let recorder =
        setup.capture == .off
        ? nil : try TraceRecorder(setup.trace, fileSystem: fileSystem.counting(writtenRecords)) { _ in }
    let server = try await ProxyServer.start(
        setup.settings, recorder: recorder, clock: setup.clock, logger: .silent)
    let isStopped = Monitor(false)
    let grace = setup.shutdownGrace
    let harness = ProxyHarness(engine: engine, folder: folder, port: server.port, writtenRecords: writtenRecords) {
        let isFirst = isStopped.update { isStopped in
            defer { isStopped = true }
            return !isStopped
        }
        guard isFirst else { return }
        await server.stop(grace: grace)
        recorder?.close()
    }
    try await harness.run(body)
}

extension TraceFileSystem {
    /// The same file system, which counts in `lines` the lines that it has written.
    func counting(_ lines: Monitor<Int>) -> TraceFileSystem {
        TraceFileSystem(
            write: { (descriptor, bytes) throws(SystemError) in
                let count = try write(descriptor, bytes)
                let ends = Array(UnsafeRawBufferPointer(rebasing: bytes.prefix(count))).lineFeeds.count
                if ends > 0 { lines.update { $0 += ends } }
                return count
            }, truncate: truncate, sync: sync)
    }
}

extension Logger {
    static var silent: Logger { Logger(label: "test") { _ in SwiftLogNoOpLogHandler() } }
}

extension ProxySettings {
    /// However busy the machine is, no limit is reached that a test has not set.
    mutating func liftTimeLimits() {
        limits.refusalTime = .hours(1)
        limits.connectTimeout = .hours(1)
        limits.headTimeout = .hours(1)
        limits.bodyTimeout = .hours(1)
        limits.engineKeepAlive = .hours(1)
        limits.requestTimeout = .hours(1)
        limits.handshakeTimeout = .hours(1)
        limits.keepAlive = .hours(1)
    }
}

extension HTTPClock {
    init(_ clock: ManualClock) {
        self.init {
            clock.now
        } schedule: { deadline, loop, task in
            Timer(onCancel: clock.schedule(at: deadline, on: loop, task))
        }
    }
}

extension ProxyHarness {
    fileprivate func run(_ body: (ProxyHarness) async throws -> Void) async throws {
        let result: Result<Void, any Error>
        do {
            result = .success(try await body(self))
        } catch {
            result = .failure(error)
        }
        await engine.stop()
        // A proxy waits for agents that may still send, by a clock that may stand still.
        for agent in agents.state { await agent.close() }
        await stop()
        try result.get()
    }
}
