import NIOCore
import NIOPosix

/// A scripted HTTP server that stands in for an engine.
///
/// It records each request exactly as it arrived and passes it to a script, which decides every byte of the response:
///
///     let engine = try await MockEngine.start { exchange in
///         try await exchange.startEventStream()
///         try await exchange.sendEvent(#"{"choices":[{"index":0,"delta":{"content":"hi"}}]}"#)
///         try await exchange.sendEvent("[DONE]")
///         try await exchange.finishStream()
///     }
///     // … send requests to engine.url
///     #expect(engine.requests.map(\.target) == ["/v1/chat/completions"])
///     await engine.stop()
///
/// A script may also misbehave: send raw bytes, stop in the middle, close or reset the connection. For replies in the
/// format of a real engine, with tokens, ids and log-probabilities, use a ``ScriptedChat`` as the script. Scripts wait
/// for events of the test with a ``Monitor``.
package final class MockEngine: Sendable {
    /// Answers a request that has arrived completely.
    package typealias Script = @Sendable (MockExchange) async throws -> Void

    private struct State {
        var port = 0
        var listener: (any Channel)?
        var isStopped = false
        var requests: [MockRequest] = []
        var problems: [String] = []
        var accepted = 0
        var hasReceivedBytes = false
        var open: Set<Int> = []
        var connections: [Int: MockConnection] = [:]
        var scripts: [Int: Task<Void, Never>] = [:]
        var scriptsStarted = 0
    }

    private let state = Monitor(State())
    private let script: Script

    private init(script: @escaping Script) {
        self.script = script
    }

    /// Listens on 127.0.0.1, on a free port by default, and runs `script` for each request.
    ///
    /// Scripts of different connections run concurrently, those of one connection one after the other.
    package static func start(port: Int = 0, script: @escaping Script) async throws -> MockEngine {
        let engine = MockEngine(script: script)
        let listener = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .serverChannelOption(.backlog, value: 1024)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelOption(.allowRemoteHalfClosure, value: true)
            .childChannelOption(.tcpOption(.tcp_nodelay), value: 1)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture { try engine.accept(channel) }
            }
            .bind(host: "127.0.0.1", port: port).get()
        engine.state.update { state in
            state.port = listener.localAddress?.port ?? port
            state.listener = listener
        }
        return engine
    }

    /// Closes every connection, cancels the scripts that still run and releases the port.
    package func stop() async {
        let (listener, connections, scripts) = state.update { state in
            state.isStopped = true
            return (state.listener, state.connections.values.map(\.self), state.scripts.values.map(\.self))
        }
        for script in scripts { script.cancel() }
        try? await listener?.close().get()
        for connection in connections { await connection.close() }
        state.update { $0.listener = nil }
    }

    // MARK: What has arrived

    /// The port it listens on.
    package var port: Int { state.read(\.port) }

    /// The URL of the engine, such as `http://127.0.0.1:8000`.
    package var url: String { "http://127.0.0.1:\(port)" }

    /// All requests so far, in order of arrival.
    package var requests: [MockRequest] { state.read(\.requests) }

    /// What arrived that was not a request: malformed bytes, and connections that ended within a request.
    package var problems: [String] { state.read(\.problems) }

    /// The number of connections that were accepted so far.
    package var connectionCount: Int { state.read(\.accepted) }

    /// The number of connections that neither side has closed.
    package var openConnectionCount: Int { state.read(\.open.count) }

    /// Waits until `count` requests have arrived, the engine is stopped, or the task is cancelled.
    package func waitForRequests(_ count: Int) async {
        await state.wait { $0.requests.count >= count || $0.isStopped }
    }

    /// Waits until the first byte of any request has arrived, the engine is stopped, or the task is
    /// cancelled.
    package func waitForFirstByte() async {
        await state.wait { $0.hasReceivedBytes || $0.isStopped }
    }

    /// Waits until `count` connections or fewer are open, the engine is stopped, or the task is cancelled.
    package func waitForOpenConnections(atMost count: Int) async {
        await state.wait { $0.open.count <= count || $0.isStopped }
    }
}

// MARK: - Connections

extension MockEngine {
    private func accept(_ channel: any Channel) throws {
        let connection = state.update { state -> MockConnection? in
            guard !state.isStopped else { return nil }
            let connection = MockConnection(index: state.accepted, channel: channel)
            state.accepted += 1
            state.open.insert(connection.index)
            state.connections[connection.index] = connection
            return connection
        }
        guard let connection else { throw ChannelError.ioOnClosedChannel }
        try channel.pipeline.syncOperations.addHandler(MockConnectionHandler(connection: connection, engine: self))
    }

    func noteBytes() {
        if !state.read(\.hasReceivedBytes) { state.update { $0.hasReceivedBytes = true } }
    }

    func record(_ request: MockRequest) {
        state.update { $0.requests.append(request) }
    }

    func recordProblem(_ problem: String) {
        state.update { $0.problems.append(problem) }
    }

    /// The first sign that a connection is over.
    func noteEnd(of connection: MockConnection, insideRequest: Bool) {
        state.update { state in
            state.open.remove(connection.index)
            if insideRequest { state.problems.append("connection \(connection.index) ended inside a request") }
        }
    }

    func forget(_ connection: MockConnection) {
        state.update { $0.connections[connection.index] = nil }
    }

    /// Runs the script for one exchange, closes its connection if it throws, and calls `completion` in any case.
    func run(_ exchange: MockExchange, completion: @escaping @Sendable () -> Void) {
        state.update { state in
            guard !state.isStopped else { return }
            state.scriptsStarted += 1
            let key = state.scriptsStarted
            state.scripts[key] = Task(executorPreference: ScriptExecutor.shared) {
                do {
                    try await self.script(exchange)
                } catch {
                    await exchange.close()
                }
                self.state.update { $0.scripts[key] = nil }
                completion()
            }
        }
    }
}
