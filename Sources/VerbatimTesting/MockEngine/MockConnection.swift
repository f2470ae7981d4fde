import NIOCore
import VerbatimPlatform

/// One accepted connection, as scripts see it.
final class MockConnection: Sendable {
    struct Status {
        /// Whether the end was noticed, whichever side closed first.
        var hasEnded = false
    }

    let index: Int
    let channel: any Channel
    let status = Monitor(Status())

    init(index: Int, channel: any Channel) {
        self.index = index
        self.channel = channel
    }

    /// Writes and waits until the socket has taken the bytes.
    func send(_ bytes: [UInt8]) async throws {
        try await channel.writeAndFlush(ByteBuffer(bytes: bytes)).get()
    }

    func close() async {
        channel.close(promise: nil)
        try? await channel.closeFuture.get()
    }

    /// Closes with a TCP reset: a linger time of zero discards unsent bytes.
    func reset() async {
        if let socket = channel as? any SocketOptionProvider {
            try? await socket.setSoLinger(linger(l_onoff: 1, l_linger: 0)).get()
        }
        await close()
    }

    func peerClosed() async { await status.wait { $0.hasEnded } }

    /// Notes that the connection has ended. Returns whether this is the first sign of it.
    func markEnded() -> Bool {
        return status.update { status in
            guard !status.hasEnded else { return false }
            status.hasEnded = true
            return true
        }
    }
}

/// Reads the requests of one connection, and runs the script for one after the other.
final class MockConnectionHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    private let connection: MockConnection
    private let engine: MockEngine
    private var parser: MockRequestParser
    private var waiting: [MockRequest] = []
    private var isRunningScript = false
    private var isRefusing = false

    init(connection: MockConnection, engine: MockEngine) {
        self.connection = connection
        self.engine = engine
        parser = MockRequestParser(connection: connection.index)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        engine.noteBytes()
        guard !isRefusing else { return }
        parser.append(unwrapInboundIn(data).readableBytesView)
        do {
            while let request = try parser.next() {
                engine.record(request)
                waiting.append(request)
            }
        } catch {
            refuse(error, context)
        }
        runNextScript(context.eventLoop)
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if event as? ChannelEvent == .inputClosed {
            noteEnd()
            if !isRunningScript { context.close(promise: nil) }
        }
        context.fireUserInboundEventTriggered(event)
    }

    func channelInactive(context: ChannelHandlerContext) {
        noteEnd()
        engine.forget(connection)
        context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        noteEnd()
        context.close(promise: nil)
    }

    private func noteEnd() {
        guard connection.markEnded() else { return }
        engine.noteEnd(of: connection, insideRequest: !parser.isBetweenRequests && !isRefusing)
    }

    private func refuse(_ error: MockRequestParser.Malformed, _ context: ChannelHandlerContext) {
        isRefusing = true
        engine.recordProblem("connection \(connection.index): \(error)")
        let reply = ByteBuffer(string: "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        context.writeAndFlush(NIOAny(reply), promise: nil)
        context.close(promise: nil)
    }

    private func runNextScript(_ eventLoop: any EventLoop) {
        guard !isRunningScript, !waiting.isEmpty else { return }
        isRunningScript = true
        let request = waiting.removeFirst()
        let handler = NIOLoopBound(self, eventLoop: eventLoop)
        engine.run(MockExchange(request: request, connection: connection)) {
            eventLoop.execute { handler.value.scriptFinished(closing: request.asksToClose, eventLoop) }
        }
    }

    private func scriptFinished(closing: Bool, _ eventLoop: any EventLoop) {
        isRunningScript = false
        if closing || connection.status.read(\.hasEnded) {
            connection.channel.close(promise: nil)
        } else {
            runNextScript(eventLoop)
        }
    }
}
