import VerbatimTesting
import NIOCore
import NIOPosix
import VerbatimPlatform

/// A connection between two parties that breaks as planned, at any byte of either direction.
///
/// It listens on its own port and forwards to another one, until the fault of a connection is due.
package final class FaultLine: Sendable {
    package struct Fault: Sendable {
        package enum Action: Hashable, Sendable, CaseIterable {
            /// Both parties see the connection end in order.
            case close
            /// Both parties see the connection reset.
            case reset
            /// Nothing more passes, and the connection stays open.
            case stall
            /// All bits of the next byte are inverted.
            case corrupt
            /// The rest arrives byte by byte.
            case crawl
        }

        /// The number of bytes that pass before the fault.
        package var offset: Int
        package var action: Action

        package init(_ action: Action, at offset: Int) {
            self.action = action
            self.offset = offset
        }
    }

    /// The faults of one connection.
    package struct Plan: Sendable {
        package var toServer: Fault?
        package var toClient: Fault?

        package init(toServer: Fault? = nil, toClient: Fault? = nil) {
            self.toServer = toServer
            self.toClient = toClient
        }
    }

    struct State {
        var target = 0
        var plan = Plan()
        var accepted = 0
        var open: [ObjectIdentifier: any Channel] = [:]
        /// The first connection under the current plan, counted from 0.
        var firstPlanned = 0
        /// The bytes that clients of the current plan were sent, and whether one of their connections has ended.
        var passedToClient = 0
        var hasEnded = false
    }

    private let state: Monitor<State>
    private let listener: any Channel

    private init(listener: any Channel, state: Monitor<State>) {
        self.listener = listener
        self.state = state
    }

    /// Listens on a free port of 127.0.0.1. Until ``connect(to:)`` every connection is refused.
    package static func start() async throws -> FaultLine {
        let state = Monitor(State())
        let listener = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .serverChannelOption(.backlog, value: 1024)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelOption(.allowRemoteHalfClosure, value: true)
            .childChannelOption(.tcpOption(.tcp_nodelay), value: 1)
            .childChannelOption(.autoRead, value: false)
            .childChannelInitializer { channel in accept(channel, state) }
            .bind(host: "127.0.0.1", port: 0).get()
        return FaultLine(listener: listener, state: state)
    }

    package var port: Int { listener.localAddress?.port ?? 0 }

    /// The number of connections that were accepted so far.
    package var connectionCount: Int { state.read(\.accepted) }

    /// Sets the port of 127.0.0.1 to which connections are forwarded.
    package func connect(to port: Int) { state.update { $0.target = port } }

    /// Sets what happens on the connections that are made from now on.
    package func plan(_ plan: Plan) {
        state.update { state in
            state.plan = plan
            state.firstPlanned = state.accepted
            state.passedToClient = 0
            state.hasEnded = false
        }
    }

    /// Waits until `count` bytes have been sent to clients since the plan was made, or a connection has ended.
    package func waitForBytesToClient(_ count: Int) async {
        await state.wait { $0.passedToClient >= count || $0.hasEnded }
    }

    package func stop() async {
        try? await listener.close().get()
        let open = state.update { $0.open.values.map(\.self) }
        for channel in open { channel.close(promise: nil) }
    }

    // MARK: Connections

    private static func accept(_ client: any Channel, _ state: Monitor<State>) -> EventLoopFuture<Void> {
        let (number, target, plan) = state.update { state in
            defer { state.accepted += 1 }
            state.open[ObjectIdentifier(client)] = client
            return (state.accepted, state.target, state.plan)
        }
        client.closeFuture.whenComplete { _ in
            state.update { state in
                state.open[ObjectIdentifier(client)] = nil
                if number >= state.firstPlanned { state.hasEnded = true }
            }
        }
        return ClientBootstrap(group: client.eventLoop)
            .channelOption(.allowRemoteHalfClosure, value: true)
            .channelOption(.tcpOption(.tcp_nodelay), value: 1)
            .channelOption(.autoRead, value: false)
            .connect(host: "127.0.0.1", port: target)
            .flatMapThrowing { server in
                try client.pipeline.syncOperations.addHandler(LineEnd(to: server, fault: plan.toServer))
                try server.pipeline.syncOperations.addHandler(
                    LineEnd(to: client, fault: plan.toClient) { count in
                        state.update { state in
                            if number >= state.firstPlanned { state.passedToClient += count }
                        }
                    })
                for channel in [client, server] { try channel.syncOptions?.setOption(.autoRead, value: true) }
            }
    }
}

/// Forwards the bytes of one party to the other.
private final class LineEnd: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    private let other: any Channel
    private var fault: FaultLine.Fault?
    private let onPass: @Sendable (Int) -> Void
    private var passed = 0
    private var isStalled = false
    private var crawls = false
    private var corruptsNext = false

    /// - Parameter onPass: Called with the number of bytes once they are on their way.
    init(
        to other: any Channel, fault: FaultLine.Fault?, onPass: @escaping @Sendable (Int) -> Void = { _ in }
    ) {
        self.other = other
        self.fault = fault
        self.onPass = onPass
    }

    func handlerAdded(context: ChannelHandlerContext) {
        if fault?.offset == 0 { breakDown(context) }
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var bytes = unwrapInboundIn(data)
        if isStalled { return }
        if let fault, bytes.readableBytes >= fault.offset - passed {
            if let front = bytes.readSlice(length: fault.offset - passed) { pass(front) }
            breakDown(context)
            if isStalled { return }
        }
        pass(bytes)
    }

    private func pass(_ bytes: ByteBuffer) {
        var bytes = bytes
        passed += bytes.readableBytes
        if corruptsNext, let byte: UInt8 = bytes.getInteger(at: bytes.readerIndex) {
            bytes.setInteger(~byte, at: bytes.readerIndex)
            corruptsNext = false
        }
        if crawls {
            while let byte = bytes.readSlice(length: 1) { other.writeAndFlush(byte, promise: nil) }
        } else if bytes.readableBytes > 0 {
            let count = bytes.readableBytes
            other.writeAndFlush(bytes).whenComplete { [onPass] _ in onPass(count) }
        }
    }

    private func breakDown(_ context: ChannelHandlerContext) {
        guard let action = fault?.action else { return }
        fault = nil
        switch action {
        case .close:
            isStalled = true
            other.close(promise: nil)
            context.close(promise: nil)
        case .reset:
            isStalled = true
            for channel in [other, context.channel] {
                guard let socket = channel as? any SocketOptionProvider else { continue }
                socket.setSoLinger(linger(l_onoff: 1, l_linger: 0)).whenComplete { _ in channel.close(promise: nil) }
            }
        case .stall: isStalled = true
        case .corrupt: corruptsNext = true
        case .crawl: crawls = true
        }
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if event as? ChannelEvent == .inputClosed { other.close(mode: .output, promise: nil) }
        context.fireUserInboundEventTriggered(event)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }

    func channelInactive(context: ChannelHandlerContext) {
        other.close(promise: nil)
        context.fireChannelInactive()
    }
}
