import Dispatch
package import Logging
import NIOCore
import NIOHTTP1
import NIOPosix
import NIOSSL
package import VerbatimTrace
import VerbatimAPI

/// The listener and everything behind it.
package final class ProxyServer: Sendable {
    package struct StartError: Error, CustomStringConvertible {
        package enum Reason: Sendable {
            /// The address cannot be listened on.
            case address
            /// TLS to the engine cannot be set up.
            case tls
        }
        package let reason: Reason
        package let description: String
    }

    private let settings: ProxySettings
    private let group: MultiThreadedEventLoopGroup
    private let loops: [NIOLoopBound<ProxyLoop>]
    private let listener: any Channel
    private let connections: ConnectionCount
    private let recorder: TraceRecorder?
    private let clock: HTTPClock
    private let logger: Logger

    /// The port that is listened on.
    package let port: Int

    /// Listens. `recorder` is `nil` if nothing is to be captured; ``stop(grace:)`` closes it.
    package static func start(
        _ settings: ProxySettings, recorder: TraceRecorder?, clock: HTTPClock = .system, logger: Logger
    ) async throws(StartError) -> ProxyServer {
        let tls = try settings.engineContext()
        let agentTLS = try settings.agentContext()
        let capabilities = CapabilityCache(
            fixed: settings.engine, host: settings.upstream.host, lifetime: settings.verdictLifetime,
            maxWait: settings.refusalTime
        ) { profile, evidence in
            logger.info(
                "recognised the engine", metadata: ["engine": "\(profile.name)", "by": "\(evidence.rawValue)"])
        }
        let group = MultiThreadedEventLoopGroup(numberOfThreads: settings.threads ?? System.coreCount)
        let server = ServerContext(
            settings: settings, tls: tls, capabilities: capabilities, recorder: recorder, clock: clock, logger: logger)
        var loops: [NIOLoopBound<ProxyLoop>] = []
        do {
            for loop in group.makeIterator() {
                let bound = try await loop.submit {
                    NIOLoopBound(ProxyLoop(eventLoop: loop, server: server), eventLoop: loop)
                }.get()
                loops.append(bound)
            }
            let listener = try await listen(
                settings, tls: agentTLS, group: group, loops: loops, clock: clock, logger: logger)
            Self.warnIfOpen(listener, settings: settings, logger: logger)
            return ProxyServer(
                settings: settings, group: group, loops: loops, listener: listener, connections: server.connections,
                recorder: recorder, clock: clock, logger: logger)
        } catch {
            try? await group.shutdownGracefully()
            throw StartError(
                reason: .address,
                description: "cannot listen on \(settings.host):\(settings.port): \(UpstreamFailure.describe(error))")
        }
    }

    private init(
        settings: ProxySettings, group: MultiThreadedEventLoopGroup, loops: [NIOLoopBound<ProxyLoop>],
        listener: any Channel, connections: ConnectionCount, recorder: TraceRecorder?, clock: HTTPClock,
        logger: Logger
    ) {
        self.settings = settings
        self.group = group
        self.loops = loops
        self.listener = listener
        self.connections = connections
        self.recorder = recorder
        self.clock = clock
        self.logger = logger
        port = listener.localAddress?.port ?? settings.port
    }

    private static func listen(
        _ settings: ProxySettings, tls: NIOSSLContext?, group: MultiThreadedEventLoopGroup,
        loops: [NIOLoopBound<ProxyLoop>], clock: HTTPClock, logger: Logger
    ) async throws -> any Channel {
        try await ServerBootstrap(group: group)
            .serverChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(AcceptFailures(clock: clock, logger: logger))
                }
            }
            .serverChannelOption(.backlog, value: 4096)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    guard let loop = loops.first(where: { $0.eventLoop === channel.eventLoop }) else { return }
                    // Options of the bootstrap's would each be a future for each connection.
                    let options = channel.syncOptions
                    try options?.setOption(.tcpOption(.tcp_nodelay), value: 1)
                    try options?.setOption(.allowRemoteHalfClosure, value: true)
                    try options?.setOption(.autoRead, value: false)
                    try loop.value.receiveBuffers.serve(channel)
                    if let tls {
                        try TLSHandshakeHandler.addHandlers(
                            to: channel, tls: tls, clock: clock, limit: settings.handshakeTimeout)
                    }
                    try channel.pipeline.syncOperations.addHandlers([
                        Self.requestDecoder(settings),
                        ServerConnection(in: loop.value),
                    ])
                }
            }
            .bind(host: settings.host, port: settings.port)
            .get()
    }

    /// Says so if others than this machine's users can reach the listener and what stands between them and it is too little.
    private static func warnIfOpen(_ listener: any Channel, settings: ProxySettings, logger: Logger) {
        guard let address = listener.localAddress, !address.isLoopback else { return }
        let metadata: Logger.Metadata = ["address": "\(settings.host):\(address.port ?? settings.port)"]
        if settings.apiKeys.isEmpty {
            logger.warning(
                """
                NO API KEY: whoever can reach this address can use the engine and write turns into any session. \
                Set --api-key-file, or listen on 127.0.0.1
                """, metadata: metadata)
        } else if settings.agentTLS == nil {
            logger.notice(
                "keys and prompts cross the network in plain text: set --tls-cert and --tls-key", metadata: metadata)
        }
    }

    /// Looks whether the trace's file still stands at its path, and goes on in a new one if not. Answers why records cannot
    /// be written, if so.
    package func reopenTrace() async -> TraceError? {
        guard let recorder else { return nil }
        return await withCheckedContinuation { continuation in
            recorder.reopen { continuation.resume(returning: $0) }
        }
    }

    private static func requestDecoder(_ settings: ProxySettings) -> ByteToMessageHandler<HTTPRequestDecoder> {
        var limits = NIOHTTPDecoderLimitConfiguration()
        limits.maxHeaderFieldSize = settings.maximumHeaderSize
        limits.maxHeaderListSize = settings.maximumHeaderSize
        limits.maxHeaderFieldCount = settings.maximumHeaderCount
        // The decoder does not count white space in front of a value, but holds it.
        return ByteToMessageHandler(
            HTTPRequestDecoder(leftOverBytesStrategy: .dropBytes, limitConfiguration: limits),
            maximumBufferSize: settings.maximumHeaderSize)
    }

    /// Stops accepting, lets exchanges finish for as long as `grace`, then cuts them off. Closes the recorder.
    package func stop(grace: Duration) async {
        try? await listener.close()
        onEachLoop { $0.drain() }
        if await !drains(within: grace) {
            logger.warning("cutting off the turns that are still running")
            onEachLoop { $0.cutOff() }
            if await !drains(within: .seconds(2)) { onEachLoop { $0.closeAll() } }
        }
        onEachLoop { $0.closeAll() }
        _ = await drains(within: .seconds(2))
        await closeRecorder()
        try? await group.shutdownGracefully()
    }

    /// Waits, on a thread that may wait, until the last records are written: their turns are told so on the event loops,
    /// which must still be there.
    private func closeRecorder() async {
        guard let recorder else { return }
        await withCheckedContinuation { continuation in
            DispatchQueue.global().async {
                recorder.close()
                continuation.resume()
            }
        }
    }

    private func onEachLoop(_ action: @escaping @Sendable (ProxyLoop) -> Void) {
        for loop in loops { loop.eventLoop.execute { action(loop.value) } }
    }

    /// Whether all agents are gone within `limit`.
    private func drains(within limit: Duration) async -> Bool {
        await withTaskGroup(of: Bool.self) { tasks in
            tasks.addTask {
                await self.connections.waitUntilNone()
                return true
            }
            tasks.addTask {
                await self.clock.sleep(for: TimeAmount(limit), on: self.group.any())
                return false
            }
            defer { tasks.cancelAll() }
            return await tasks.next() ?? false
        }
    }
}
