import NIOCore

/// What the connections of an event loop read into: one buffer, one connection after the other. Used on that loop.
///
/// NIO keeps a buffer with each connection, as large as what it has received. Those of a thousand agents that wait for
/// their streams would hold what their requests took, and each event would come into memory that has not been touched
/// since the one before it.
final class ReceiveBuffers {
    private static let smallSize = 4 << 10
    private static let largeSize = 64 << 10

    private let small = SpareBuffer()
    private let large = SpareBuffer()

    /// A buffer with room for so many bytes, or a few more.
    func take(_ length: Int) -> ByteBuffer {
        let spare = length > Self.smallSize ? large : small
        return spare.take(for: length) ?? ByteBufferAllocator().buffer(capacity: max(length, Self.smallSize))
    }

    /// To be called with what has been read, before it is passed on: whoever keeps a part of it keeps it from being used
    /// again.
    func giveBack(_ used: ByteBuffer) {
        switch used.capacity {
        case Self.smallSize: small.giveBack(used)
        case (Self.smallSize + 1)...Self.largeSize: large.giveBack(used)
        default: break
        }
    }

    /// Has a connection read into the event loop's buffers.
    func serve(_ channel: any Channel) throws {
        let allocator = Allocator(buffers: NIOLoopBound(self, eventLoop: channel.eventLoop))
        try channel.syncOptions?.setOption(.recvAllocator, value: allocator)
        // The first read goes on in a larger buffer. After that there is one read in a go, and then NIO keeps no buffer but
        // the first.
        try channel.syncOptions?.setOption(.maxMessagesPerRead, value: 2)
        try channel.pipeline.syncOperations.addHandler(Collector(buffers: self))
    }

    /// Says what a connection reads into next: more, the more has come.
    struct Allocator: RecvByteBufferAllocator {
        /// NIO keeps the first buffer of a connection for good.
        private static let firstSize = 256

        private let buffers: NIOLoopBound<ReceiveBuffers>
        private var size = AdaptiveRecvByteBufferAllocator(minimum: smallSize, initial: smallSize, maximum: largeSize)
        private var isFirst = true

        init(buffers: NIOLoopBound<ReceiveBuffers>) { self.buffers = buffers }

        func buffer(allocator: ByteBufferAllocator) -> ByteBuffer {
            if isFirst { return allocator.buffer(capacity: Self.firstSize) }
            return buffers.value.take(size.nextBufferSize() ?? smallSize)
        }

        /// - Returns: Always `true`, so that NIO asks for a buffer each time.
        mutating func record(actualReadBytes: Int) -> Bool {
            if !isFirst { _ = size.record(actualReadBytes: actualReadBytes) }
            isFirst = false
            return true
        }
    }

    /// Stands at the front of a pipeline, where what has been read comes past first.
    private final class Collector: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer

        private let buffers: ReceiveBuffers
        private var isFirst = true

        init(buffers: ReceiveBuffers) { self.buffers = buffers }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            if isFirst {
                isFirst = false
                // Fails only if the connection is gone.
                try? context.channel.syncOptions?.setOption(.maxMessagesPerRead, value: 1)
            }
            buffers.giveBack(unwrapInboundIn(data))
            context.fireChannelRead(data)
        }
    }
}
