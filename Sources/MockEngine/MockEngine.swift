import NIOCore
import NIOPosix

/// A scripted HTTP server that stands in for an engine.
///
/// It records each request exactly as it arrived and hands it to a script, which decides every byte that goes back.
package final class MockEngine: Sendable {
    /// What is done with a request once it has arrived completely.
    package typealias Script = @Sendable (MockExchange) async throws -> Void

    private struct State {
        var requests: [MockRequest] = []
        var problems: [String] = []
        var accepted = 0
        var open: Set<Int> = []
        var connections: [Int: MockConnection] = [:]
        var scripts: [Int: Task<Void, Never>] = [:]
        var nextScript = 0
        var listener: (any Channel)?
        var isStopped = false
    }

    private let state = Monitor(State())
    private let script: Script

    /// The port it listens on.
    package let port: Int

    /// Listens on 127.0.0.1, on a free port by default, and runs `script` for each request.
    ///
    /// Scripts of different connections run concurrently, those of one connection one after the other.
    package static func start(port: Int = 0, script: @escaping Script) async throws -> MockEngine {
        let socket = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .serverChannelOption(.backlog, value: 1024)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .serverChannelOption(.autoRead, value: false)
            .childChannelOption(.allowRemoteHalfClosure, value: true)
            .childChannelOption(.tcpOption(.tcp_nodelay), value: 1)
            .childChannelOption(.autoRead, value: true)
            .bind(host: "127.0.0.1", port: port).get()
        let engine = MockEngine(port: socket.localAddress?.port ?? port, script: script)
        return engine
    }

    private init(port: Int, script: @escaping Script) {
        self.port = port
        self.script = script
    }
}
