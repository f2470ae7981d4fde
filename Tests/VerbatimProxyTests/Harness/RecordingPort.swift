import NIOCore
import NIOPosix
import VerbatimTesting

/// An engine without a parser: it keeps the raw bytes that it receives, and answers once it has received
/// what it expects.
final class RecordingPort: Sendable {
    private struct State {
        /// In order of arrival, over all connections.
        var received: [UInt8] = []
        var open = 0
    }

    let port: Int
    private let listener: any Channel
    private let state: Monitor<State>

    /// - Parameters:
    ///   - isWhole: Whether the bytes since the last answer on a connection are to be answered.
    static func start(
        answer: String = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}",
        to isWhole: @escaping @Sendable (String) -> Bool
    ) async throws -> RecordingPort {
        let state = Monitor(State())
        let listener = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    let recorder = Recorder(answer: answer, isWhole: isWhole, state: state)
                    try channel.pipeline.syncOperations.addHandler(recorder)
                }
            }
            .bind(host: "127.0.0.1", port: 0).get()
        return RecordingPort(listener: listener, state: state)
    }

    private init(listener: any Channel, state: Monitor<State>) {
        self.listener = listener
        self.state = state
        port = listener.localAddress?.port ?? 0
    }

    var url: String { "http://127.0.0.1:\(port)" }

    /// Closes the port, and returns all bytes once every connection has ended.
    func finish() async -> String {
        await state.wait { $0.open == 0 }
        try? await listener.close()
        return state.read { String(decoding: $0.received, as: UTF8.self) }
    }

    private final class Recorder: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer

        private let answer: String
        private let isWhole: @Sendable (String) -> Bool
        private let state: Monitor<State>
        private var unanswered = ""

        init(answer: String, isWhole: @escaping @Sendable (String) -> Bool, state: Monitor<State>) {
            self.answer = answer
            self.isWhole = isWhole
            self.state = state
        }

        func channelActive(context: ChannelHandlerContext) { state.update { $0.open += 1 } }
        func channelInactive(context: ChannelHandlerContext) { state.update { $0.open -= 1 } }
        func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            let bytes = unwrapInboundIn(data).readableBytesView
            state.update { $0.received.append(contentsOf: bytes) }
            unanswered += String(decoding: bytes, as: UTF8.self)
            guard isWhole(unanswered) else { return }
            unanswered = ""
            context.writeAndFlush(NIOAny(ByteBuffer(string: answer)), promise: nil)
        }
    }
}
