import NIOCore
import NIOHTTP1
import NIOPosix
import NIOSSL

/// The connections of one event loop to the engine. Used on that loop only.
final class UpstreamPool {
    private let upstream: UpstreamURL
    /// Its address, if the URL gives it: nothing has to be resolved then.
    private let address: SocketAddress?
    private let settings: ProxySettings
    private let tls: NIOSSLContext?
    private let clock: HTTPClock
    private let loop: any EventLoop
    private let receiveBuffers: NIOLoopBound<ReceiveBuffers>
    private var idle: [UpstreamConnection] = []
    private var sweep: HTTPClock.Timer?

    init(
        settings: ProxySettings, tls: NIOSSLContext?, clock: HTTPClock, loop: any EventLoop,
        receiveBuffers: ReceiveBuffers
    ) {
        upstream = settings.upstream
        address = try? SocketAddress(ipAddress: settings.upstream.host, port: settings.upstream.port)
        self.settings = settings
        self.tls = tls
        self.clock = clock
        self.loop = loop
        self.receiveBuffers = NIOLoopBound(receiveBuffers, eventLoop: loop)
    }

    /// Answers with an unused connection at once, or with a new one; with `fresh` always with a new one.
    func connect(
        fresh: Bool = false, _ completion: @escaping (Result<UpstreamConnection, UpstreamFailure>) -> Void
    ) {
        while !fresh, let connection = idle.popLast() {
            if connection.isUsable, connection.idleDeadline > clock.now {
                connection.onIdleClose = nil
                completion(.success(connection))
                return
            }
            connection.close()
        }
        open(completion)
    }

    /// Takes back a connection whose exchange has ended.
    func giveBack(_ connection: UpstreamConnection) {
        guard connection.isUsable else { return }
        var keepAlive = settings.engineKeepAlive
        if let advertised = connection.advertisedKeepAlive { keepAlive = min(keepAlive, advertised - .seconds(1)) }
        if keepAlive <= .nanoseconds(0) {
            connection.close()
            return
        }
        connection.idleDeadline = clock.now + keepAlive
        connection.onIdleClose = { [weak self] closed in self?.idle.removeAll { $0 === closed } }
        idle.append(connection)
        scheduleSweep()
    }

    func closeIdle() {
        sweep?.cancel()
        sweep = nil
        let connections = idle
        idle.removeAll()
        for connection in connections { connection.close() }
    }

    private func scheduleSweep() {
        guard sweep == nil, let first = idle.map(\.idleDeadline).min() else { return }
        sweep = clock.schedule(at: first, on: loop) { [weak self] in
            guard let self else { return }
            sweep = nil
            let now = clock.now
            for connection in idle where connection.idleDeadline <= now { connection.close() }
            idle.removeAll { $0.idleDeadline <= now }
            scheduleSweep()
        }
    }

    private func open(_ completion: @escaping (Result<UpstreamConnection, UpstreamFailure>) -> Void) {
        let upstream = upstream
        let tls = tls
        let receiveBuffers = receiveBuffers
        let serverName = address == nil ? upstream.host : nil
        let handshake = tls.map { _ in loop.makePromise(of: Void.self) }
        let limit = settings.connectTimeout
        let attempt = NIOLoopBound(ConnectAttempt(completion), eventLoop: loop)
        let deadline = clock.schedule(in: limit, on: loop) {
            attempt.value.fail(.unreachable(ChannelError.connectTimeout(limit), at: upstream))
        }
        let bootstrap = ClientBootstrap(group: loop)
            // The deadline above counts, which includes the TLS handshake.
            .connectTimeout(.hours(24))
            .channelOption(.tcpOption(.tcp_nodelay), value: 1)
            .channelOption(.autoRead, value: tls != nil)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try attempt.value.add(channel)
                    try receiveBuffers.value.serve(channel)
                    try Self.configure(channel, tls: tls, serverName: serverName, handshake: handshake)
                }
            }
        let connected =
            address.map { bootstrap.connect(to: $0) } ?? bootstrap.connect(host: upstream.host, port: upstream.port)
        connected.assumeIsolated().whenComplete { result in
            switch result {
            case .failure(let error):
                deadline.cancel()
                handshake?.fail(error)
                attempt.value.fail(.unreachable(error, at: upstream))
            case .success(let channel):
                let ready = handshake?.futureResult ?? channel.eventLoop.makeSucceededVoidFuture()
                ready.assumeIsolated().whenComplete { result in
                    deadline.cancel()
                    do {
                        try result.get()
                        // During the handshake TLS reads by itself; from here on the exchange decides when to read.
                        try channel.syncOptions?.setOption(.autoRead, value: false)
                        let connection = try channel.pipeline.syncOperations.handler(type: UpstreamConnection.self)
                        attempt.value.succeed(connection)
                    } catch {
                        attempt.value.fail(.unreachable(error, at: upstream))
                    }
                }
            }
        }
    }

    private static func configure(
        _ channel: any Channel, tls: NIOSSLContext?, serverName: String?, handshake: EventLoopPromise<Void>?
    ) throws {
        let pipeline = channel.pipeline.syncOperations
        if let tls {
            try pipeline.addHandler(NIOSSLClientHandler(context: tls, serverHostname: serverName))
        }
        let reader = ReplyReader()
        let writer = RequestWriter()
        try pipeline.addHandlers([
            reader,
            writer,
            ByteToMessageHandler(HTTPResponseDecoder(leftOverBytesStrategy: .dropBytes)),
            UpstreamConnection(reader: reader, writer: writer, handshake: handshake),
        ])
    }
}

/// A connection that is being made. Its result is reported once, whatever happens later.
private final class ConnectAttempt {
    private var completion: ((Result<UpstreamConnection, UpstreamFailure>) -> Void)?
    /// The sockets that are being connected: a name may have several addresses.
    private var channels: [any Channel] = []

    init(_ completion: @escaping (Result<UpstreamConnection, UpstreamFailure>) -> Void) {
        self.completion = completion
    }

    /// - Throws: If the attempt has ended.
    func add(_ channel: any Channel) throws {
        guard completion != nil else { throw ChannelError.ioOnClosedChannel }
        channels.append(channel)
    }

    func succeed(_ connection: UpstreamConnection) { end(.success(connection)) }

    func fail(_ failure: UpstreamFailure) {
        let channels = channels
        end(.failure(failure))
        for channel in channels { channel.close(promise: nil) }
    }

    private func end(_ result: Result<UpstreamConnection, UpstreamFailure>) {
        let completion = completion
        self.completion = nil
        channels = []
        completion?(result)
    }
}
