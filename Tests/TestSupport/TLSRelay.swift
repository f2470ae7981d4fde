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
    /// What clients showed, in DER form, if they were asked for a certificate.
    package let clientCertificates: Monitor<[[UInt8]]>
    private let listener: any Channel

    private init(
        listener: any Channel, names: Monitor<[String?]>, clientCertificates: Monitor<[[UInt8]]>
    ) {
        self.listener = listener
        self.clientCertificates = clientCertificates
        self.names = names
        port = listener.localAddress?.port ?? 0
    }

    /// Listens on 127.0.0.1 and forwards to the port `target`.
    ///
    /// - Parameters:
    ///   - endsCleanly: Whether connections end with TLS's close_notify.
    ///   - demandsCertificate: Whether a client must show a certificate, of any issuer.
    package static func start(
        _ certificate: TestCertificate, to target: Int, newest version: TLSVersion = .tlsv13, endsCleanly: Bool = true,
        demandsCertificate: Bool = false
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
        let shown = Monitor<[[UInt8]]>([])
        if demandsCertificate { configuration.certificateVerification = .noHostnameVerification }
        let context = try NIOSSLContext(configuration: configuration)
        let listener = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .childChannelOption(.tcpOption(.tcp_nodelay), value: 1)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    let tls =
                        if demandsCertificate {
                            NIOSSLServerHandler(context: context) { chain, promise in
                                let first = try? chain.first?.toDERBytes()
                                shown.update { $0.append(first ?? []) }
                                promise.succeed(first == nil ? .failed : .certificateVerified)
                            }
                        } else {
                            NIOSSLServerHandler(context: context)
                        }
                    try channel.pipeline.syncOperations.addHandlers([
                        tls, RelayHandler(to: target, endsCleanly: endsCleanly),
                    ])
                }
            }
            .bind(host: "127.0.0.1", port: 0).get()
        return TLSRelay(listener: listener, names: names, clientCertificates: shown)
    }

    package func stop() async { try? await listener.close() }
}

/// A forward proxy that opens a tunnel to one port, whatever it is asked for.
package final class ConnectRelay: Sendable {
    package let port: Int
    /// The heads of the requests for a tunnel.
    package let requests: Monitor<[String]>
    private let listener: any Channel

    private init(listener: any Channel, requests: Monitor<[String]>) {
        self.listener = listener
        self.requests = requests
        port = listener.localAddress?.port ?? 0
    }

    /// - Parameter status: With any but 200 there is no tunnel.
    package static func start(to target: Int, status: Int = 200) async throws -> ConnectRelay {
        let requests = Monitor<[String]>([])
        let listener = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .childChannelOption(.tcpOption(.tcp_nodelay), value: 1)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandlers([
                        ConnectHandler(status: status, requests: requests), RelayHandler(to: target, endsCleanly: true),
                    ])
                }
            }
            .bind(host: "127.0.0.1", port: 0).get()
        return ConnectRelay(listener: listener, requests: requests)
    }

    package func stop() async { try? await listener.close() }
}

/// Takes the head of the request for a tunnel out of what is relayed.
private final class ConnectHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private let status: Int
    private let requests: Monitor<[String]>
    private var head: String? = ""

    init(status: Int, requests: Monitor<[String]>) {
        self.status = status
        self.requests = requests
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard let head else { return context.fireChannelRead(data) }
        let text = head + String(buffer: unwrapInboundIn(data))
        self.head = text
        guard text.hasSuffix("\r\n\r\n") else { return }
        self.head = nil
        requests.update { $0.append(text) }
        let reply = "HTTP/1.1 \(status) Whatever\r\nX: y\r\n\r\n"
        context.writeAndFlush(wrapOutboundOut(ByteBuffer(string: reply)), promise: nil)
        if status != 200 { context.close(promise: nil) }
    }
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
