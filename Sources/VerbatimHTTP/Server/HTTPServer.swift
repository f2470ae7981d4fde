package import Logging
package import NIOCore
import NIOHTTP1
import NIOPosix
import NIOSSL

/// Runs any number of listeners on the same event loops, with one drain and one stop.
package final class HTTPServer: Sendable {
    package struct StartError: Error, CustomStringConvertible {
        package enum Reason: Sendable {
            /// The address cannot be listened on.
            case address
            /// A certificate or key cannot be used.
            case tls
        }
        package let reason: Reason
        package let description: String
        package let cause: any Error

        package init(reason: Reason, description: String, cause: any Error) {
            self.reason = reason
            self.description = description
            self.cause = cause
        }
    }

    private let group: MultiThreadedEventLoopGroup
    private let loops: [NIOLoopBound<ServerLoop>]
    private let channels: [any Channel]
    private let handlers: [NIOLoopBound<any RequestHandler>]
    private let activity: ActivityCount
    private let clock: HTTPClock
    private let logger: Logger

    /// The addresses of the listeners, in their order. A TCP port that was 0 is the one that was picked.
    package let addresses: [SocketAddress?]

    /// Starts all listeners. If one fails, none stays open.
    ///
    /// - Parameter threads: Event loops, each a thread.
    package static func start(
        _ listeners: [Listener], threads: Int, clock: HTTPClock = .system, logger: Logger
    ) async throws(StartError) -> HTTPServer {
        let contexts = try listeners.map { listener throws(StartError) in try sslContext(of: listener) }
        let group = MultiThreadedEventLoopGroup(numberOfThreads: threads)
        let activity = ActivityCount()
        var channels: [any Channel] = []
        var handlers: [NIOLoopBound<any RequestHandler>] = []
        var failing = listeners.first?.address
        do {
            var loops: [NIOLoopBound<ServerLoop>] = []
            for loop in group.makeIterator() {
                loops.append(
                    try await loop.submit {
                        NIOLoopBound(ServerLoop(eventLoop: loop, clock: clock, activity: activity), eventLoop: loop)
                    }.get())
            }
            for (listener, tls) in zip(listeners, contexts) {
                failing = listener.address
                let limit = ConnectionLimit(
                    maximum: listener.limits.connections, clock: clock, logger: logger)
                var listenerLoops: [NIOLoopBound<ListenerLoop>] = []
                for loop in loops {
                    let bound = try await loop.eventLoop.submit {
                        NIOLoopBound(
                            ListenerLoop(
                                server: loop.value, limits: listener.limits, isTLS: tls != nil,
                                errorFormat: listener.errorFormat, connectionLimit: limit,
                                handler: listener.makeHandler(loop.value)),
                            eventLoop: loop.eventLoop)
                    }.get()
                    listenerLoops.append(bound)
                    handlers.append(
                        try await loop.eventLoop.submit {
                            NIOLoopBound(bound.value.handler, eventLoop: bound.eventLoop)
                        }.get())
                }
                channels.append(
                    try await listen(
                        listener, tls: tls, group: group, loops: listenerLoops, clock: clock, logger: logger))
            }
            return HTTPServer(
                group: group, loops: loops, channels: channels, handlers: handlers, activity: activity,
                clock: clock, logger: logger)
        } catch {
            await close(channels)
            try? await group.shutdownGracefully()
            throw StartError(
                reason: .address,
                description: "cannot listen on \(failing.map { "\($0)" } ?? "-"): \(NetworkErrorText.describe(error))",
                cause: error)
        }
    }

    private init(
        group: MultiThreadedEventLoopGroup, loops: [NIOLoopBound<ServerLoop>], channels: [any Channel],
        handlers: [NIOLoopBound<any RequestHandler>], activity: ActivityCount, clock: HTTPClock, logger: Logger
    ) {
        self.group = group
        self.loops = loops
        self.channels = channels
        self.handlers = handlers
        self.activity = activity
        self.clock = clock
        self.logger = logger
        addresses = channels.map(\.localAddress)
    }

    private static func sslContext(of listener: Listener) throws(StartError) -> NIOSSLContext? {
        do throws(TLSSettingsError) {
            return try listener.tls?.context()
        } catch {
            throw StartError(reason: .tls, description: error.description, cause: error)
        }
    }

    // MARK: Listening

    private static func listen(
        _ listener: Listener, tls: NIOSSLContext?, group: MultiThreadedEventLoopGroup,
        loops: [NIOLoopBound<ListenerLoop>], clock: HTTPClock, logger: Logger
    ) async throws -> any Channel {
        let isTCP = if case .tcp = listener.address { true } else { false }
        let bootstrap = ServerBootstrap(group: group)
            .serverChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(AcceptFailures(clock: clock, logger: logger))
                }
            }
            .serverChannelOption(.backlog, value: 4096)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    guard let loop = loops.first(where: { $0.eventLoop === channel.eventLoop }) else { return }
                    try configure(channel, isTCP: isTCP, tls: tls, on: loop.value)
                }
            }
        switch listener.address {
        case .tcp(let host, let port):
            return try await bootstrap.serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
                .bind(host: host, port: port).get()
        case .unix(let path):
            await UnixSocketFile.removeIfStale(path)
            return try await bootstrap.bind(unixDomainSocketPath: path).get()
        }
    }

    private static func configure(
        _ channel: any Channel, isTCP: Bool, tls: NIOSSLContext?, on loop: ListenerLoop
    ) throws {
        // Set here: each option of the bootstrap would be a future for each connection.
        let options = channel.syncOptions
        if isTCP { try options?.setOption(.tcpOption(.tcp_nodelay), value: 1) }
        try options?.setOption(.allowRemoteHalfClosure, value: true)
        try options?.setOption(.autoRead, value: false)
        try loop.server.receiveBuffers.serve(channel)
        if let tls {
            try TLSHandshakeHandler.addHandlers(
                to: channel, tls: tls, clock: loop.server.clock, limit: loop.limits.handshake,
                errorFormat: loop.errorFormat)
        }
        try channel.pipeline.syncOperations.addHandlers([
            requestDecoder(loop.limits),
            ServerConnection(loop),
        ])
    }

    private static func requestDecoder(_ limits: Listener.Limits) -> ByteToMessageHandler<HTTPRequestDecoder> {
        var decoderLimits = NIOHTTPDecoderLimitConfiguration()
        decoderLimits.maxHeaderFieldSize = limits.headerSize
        decoderLimits.maxHeaderListSize = limits.headerSize
        decoderLimits.maxHeaderFieldCount = limits.headerCount
        // The decoder does not count white space before a value, but holds it.
        return ByteToMessageHandler(
            HTTPRequestDecoder(leftOverBytesStrategy: .dropBytes, limitConfiguration: decoderLimits),
            maximumBufferSize: limits.headerSize)
    }

    // MARK: Stopping

    /// Closes listening channels; NIO removes the file of a Unix socket.
    private static func close(_ channels: [any Channel]) async {
        for channel in channels { try? await channel.close() }
    }

    /// Stops accepting, lets exchanges finish for as long as `grace`, then cuts them off. Returns when no connection
    /// and no work of a handler is left. The event loops still run, for what handlers must hear; ``shutDown()`` ends
    /// them.
    package func drain(grace: Duration) async {
        await Self.close(channels)
        onEachLoop { $0.drain() }
        if await !isInactive(within: grace) {
            logger.warning("cutting off the turns that are still running")
            onEachLoop { $0.cutOff() }
            if await !isInactive(within: .seconds(2)) { onEachLoop { $0.closeAll() } }
        }
        onEachLoop { $0.closeAll() }
        for handler in handlers { handler.eventLoop.execute { handler.value.serverDidStop() } }
        _ = await isInactive(within: .seconds(2))
    }

    package func shutDown() async { try? await group.shutdownGracefully() }

    private func onEachLoop(_ action: @escaping @Sendable (ServerLoop) -> Void) {
        for loop in loops { loop.eventLoop.execute { action(loop.value) } }
    }

    /// Whether nothing is left within `limit`.
    private func isInactive(within limit: Duration) async -> Bool {
        await withTaskGroup(of: Bool.self) { tasks in
            tasks.addTask {
                await self.activity.waitUntilZero()
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
