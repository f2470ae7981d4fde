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
    private let loop: any EventLoop
    private let receiveBuffers: NIOLoopBound<ReceiveBuffers>
    private var idle: [UpstreamConnection] = []
    private var sweep: Scheduled<Void>?

    init(settings: ProxySettings, tls: NIOSSLContext?, loop: any EventLoop, receiveBuffers: ReceiveBuffers) {
        upstream = settings.upstream
        address = try? SocketAddress(ipAddress: settings.upstream.host, port: settings.upstream.port)
        self.settings = settings
        self.tls = tls
        self.loop = loop
        self.receiveBuffers = NIOLoopBound(receiveBuffers, eventLoop: loop)
    }

    /// Answers with an unused connection at once, or with a new one; with `fresh` always with a new one.
    func connect(
        fresh: Bool = false, _ completion: @escaping (Result<UpstreamConnection, UpstreamFailure>) -> Void
    ) {
        while !fresh, let connection = idle.popLast() {
            if connection.isUsable, connection.idleDeadline > .now() {
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
        connection.idleDeadline = .now() + keepAlive
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
        sweep = loop.assumeIsolated().scheduleTask(deadline: first) { [weak self] in
            guard let self else { return }
            sweep = nil
            let now = NIODeadline.now()
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
        let deadline = loop.assumeIsolated().scheduleTask(in: settings.connectTimeout) {
            handshake?.fail(ChannelError.connectTimeout(.nanoseconds(0)))
        }
        let bootstrap = ClientBootstrap(group: loop)
            .connectTimeout(settings.connectTimeout)
            .channelOption(.tcpOption(.tcp_nodelay), value: 1)
            .channelOption(.autoRead, value: tls != nil)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
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
                completion(.failure(.unreachable(error, at: upstream)))
            case .success(let channel):
                let ready = handshake?.futureResult ?? channel.eventLoop.makeSucceededVoidFuture()
                ready.assumeIsolated().whenComplete { result in
                    deadline.cancel()
                    do {
                        try result.get()
                        // During the handshake TLS reads by itself; from here on the exchange decides when to read.
                        try channel.syncOptions?.setOption(.autoRead, value: false)
                        let connection = try channel.pipeline.syncOperations.handler(type: UpstreamConnection.self)
                        completion(.success(connection))
                    } catch {
                        channel.close(promise: nil)
                        completion(.failure(.unreachable(error, at: upstream)))
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
