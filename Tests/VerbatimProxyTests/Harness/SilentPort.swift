import NIOCore
import NIOPosix

/// A port that accepts connections and answers anything with the same text, or does not answer, or does not even read.
final class SilentPort: Sendable {
    let port: Int
    private let listener: any Channel

    init(answer: String? = nil, reads: Bool = true) async throws {
        listener = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .childChannelOption(.autoRead, value: reads)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    if let answer { try channel.pipeline.syncOperations.addHandler(Answering(answer: answer)) }
                }
            }
            .bind(host: "127.0.0.1", port: 0).get()
        port = listener.localAddress?.port ?? 0
    }

    func stop() async { try? await listener.close() }

    private final class Answering: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer
        private let answer: String

        init(answer: String) { self.answer = answer }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            context.writeAndFlush(NIOAny(ByteBuffer(string: answer)), promise: nil)
        }
    }
}
