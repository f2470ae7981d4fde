import Foundation
package import VerbatimTesting
import NIOCore
import NIOPosix
package import NIOSSL

/// A certificate of `Tests/Fixtures/tls`, made by the script in that folder.
package struct TestCertificate: Sendable {
    package let certificatePath: String
    package let keyPath: String

    package init(_ name: String) {
        let folder = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .appending(path: "Fixtures/tls")
        certificatePath = folder.appending(path: "\(name).pem").path
        keyPath = folder.appending(path: "\(name).key").path
    }

    /// The certificate authority that has signed the trusted certificates.
    package static let authority = TestCertificate("authority")
}

/// Terminates TLS in front of a plain server.
package final class TLSRelay: Sendable {
    package let port: Int
    /// The server names in clients' handshakes; `nil` for a handshake without one.
    package let names: Monitor<[String?]>
    private let listener: any Channel

    private init(listener: any Channel, names: Monitor<[String?]>) {
        self.listener = listener
        self.names = names
        port = listener.localAddress?.port ?? 0
    }

    /// Listens on 127.0.0.1 and forwards to the port `target`.
    ///
    /// - Parameter endsCleanly: Whether connections end with TLS's close_notify.
    package static func start(
        _ certificate: TestCertificate, to target: Int, newest version: TLSVersion = .tlsv13, endsCleanly: Bool = true
    ) async throws -> TLSRelay {
        let names = Monitor<[String?]>([])
        var configuration = TLSConfiguration.makeServerConfiguration(
            certificateChain: try NIOSSLCertificate.fromPEMFile(certificate.certificatePath).map { .certificate($0) },
            privateKey: .privateKey(try NIOSSLPrivateKey(file: certificate.keyPath, format: .pem)))
        configuration.minimumTLSVersion = .tlsv1
        configuration.maximumTLSVersion = version
        configuration.sslContextCallback = { values, promise in
            names.update { $0.append(values.serverHostname) }
            promise.succeed(.noChanges)
        }
        let context = try NIOSSLContext(configuration: configuration)
        let listener = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .childChannelOption(.tcpOption(.tcp_nodelay), value: 1)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandlers([
                        NIOSSLServerHandler(context: context), RelayHandler(to: target, endsCleanly: endsCleanly),
                    ])
                }
            }
            .bind(host: "127.0.0.1", port: 0).get()
        return TLSRelay(listener: listener, names: names)
    }

    package func stop() async { try? await listener.close() }
}

/// One direction of a relayed connection. The client's direction opens the other.
private final class RelayHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    private let target: Int?
    private let endsCleanly: Bool
    private var other: (any Channel)?
    private var early: [ByteBuffer] = []

    init(to target: Int, endsCleanly: Bool) {
        self.target = target
        self.endsCleanly = endsCleanly
    }

    init(from other: any Channel, endsCleanly: Bool) {
        target = nil
        self.endsCleanly = endsCleanly
        self.other = other
    }

    func channelActive(context: ChannelHandlerContext) {
        guard let target else { return }
        let client = context.channel
        let relay = NIOLoopBound(self, eventLoop: context.eventLoop)
        let endsCleanly = endsCleanly
        ClientBootstrap(group: context.eventLoop)
            .channelOption(.tcpOption(.tcp_nodelay), value: 1)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(RelayHandler(from: client, endsCleanly: endsCleanly))
                }
            }
            .connect(host: "127.0.0.1", port: target)
            .whenComplete { result in
                guard case .success(let server) = result else { return client.close(promise: nil) }
                relay.value.other = server
                for bytes in relay.value.early { server.writeAndFlush(bytes, promise: nil) }
                if !client.isActive { server.close(promise: nil) }
            }
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let bytes = unwrapInboundIn(data)
        if let other { other.writeAndFlush(bytes, promise: nil) } else { early.append(bytes) }
    }

    func channelInactive(context: ChannelHandlerContext) {
        guard let other, !endsCleanly, target == nil,
            let tls = try? other.pipeline.syncOperations.context(handlerType: NIOSSLServerHandler.self)
        else {
            self.other?.close(promise: nil)
            return
        }
        tls.close(promise: nil)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
}
