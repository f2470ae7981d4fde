package import NIOCore
import NIOHTTP1
import NIOPosix
import NIOSSL

/// The connections of one event loop to the upstream. Used on that loop only.
package final class UpstreamPool {
    package struct Configuration: Sendable {
        package var address: UpstreamAddress
        /// `nil` for plain HTTP.
        package var tls: UpstreamTLS?
        /// The way to the upstream; `nil` for none but the network's.
        package var proxy: ForwardProxy?
        package var connectTimeout: TimeAmount
        /// How long an unused connection is kept.
        package var keepAlive: TimeAmount

        package init(address: UpstreamAddress, tls: UpstreamTLS?, connectTimeout: TimeAmount, keepAlive: TimeAmount) {
            self.address = address
            self.tls = tls
            self.connectTimeout = connectTimeout
            self.keepAlive = keepAlive
        }
    }

    /// What the pools of all event loops share: TLS is set up once.
    package struct Shared: Sendable {
        let configuration: Configuration
        let tls: NIOSSLContext?

        package init(_ configuration: Configuration) throws(TLSSettingsError) {
            self.configuration = configuration
            tls = try configuration.tls?.context()
        }
    }

    private let configuration: Configuration
    private let tls: NIOSSLContext?
    /// The socket address, if the host is an IP address: nothing has to be resolved then.
    private let address: SocketAddress?
    private let clock: HTTPClock
    private let loop: any EventLoop
    private let receiveBuffers: NIOLoopBound<ReceiveBuffers>
    private var idle: [UpstreamConnection] = []
    private var sweep: HTTPClock.Timer?

    package init(
        _ shared: Shared, clock: HTTPClock, on loop: any EventLoop, receiveBuffers: ReceiveBuffers
    ) {
        self.clock = clock
        configuration = shared.configuration
        tls = shared.tls
        address = try? SocketAddress(ipAddress: configuration.address.host, port: configuration.address.port)
        self.loop = loop
        self.receiveBuffers = NIOLoopBound(receiveBuffers, eventLoop: loop)
    }

    /// Hands over an unused connection at once, or a new one later; with `fresh` always a new one.
    package func connect(
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
    package func giveBack(_ connection: UpstreamConnection) {
        guard connection.isUsable else { return }
        var keepAlive = configuration.keepAlive
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

    package func closeIdle() {
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
        let upstream = configuration.address
        let tls = tls
        let receiveBuffers = receiveBuffers
        let serverName = address == nil ? upstream.host : nil
        let handshake = tls.map { _ in loop.makePromise(of: Void.self) }
        let proxy = configuration.proxy
        let tunnel = proxy.map { _ in loop.makePromise(of: Void.self) }
        let limit = configuration.connectTimeout
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
                    if let proxy, let tunnel {
                        let handler = ProxyTunnel(through: proxy, to: upstream, opened: tunnel)
                        try channel.pipeline.syncOperations.addHandler(handler, position: .first)
                    }
                }
            }
        let connected =
            if let proxy {
                bootstrap.connect(host: proxy.host, port: proxy.port)
            } else {
                address.map { bootstrap.connect(to: $0) } ?? bootstrap.connect(host: upstream.host, port: upstream.port)
            }
        connected.assumeIsolated().whenComplete { result in
            switch result {
            case .failure(let error):
                deadline.cancel()
                handshake?.fail(error)
                tunnel?.fail(error)
                attempt.value.fail(.unreachable(error, at: upstream))
            case .success(let channel):
                let secured = handshake?.futureResult ?? channel.eventLoop.makeSucceededVoidFuture()
                let ready = tunnel?.futureResult.flatMap { secured } ?? secured
                ready.assumeIsolated().whenComplete { result in
                    deadline.cancel()
                    do {
                        try result.get()
                        // TLS reads by itself during the handshake. From here on the exchange decides when to read.
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
        let reader = UpstreamResponseReader()
        let writer = UpstreamRequestWriter()
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
