package import NIOCore

/// The buffers that the connections of an event loop read into, one connection after the other. Used on that loop.
///
/// NIO keeps a buffer for each connection, as large as what it has received. A thousand clients that wait for their
/// streams would each hold as much as their request took, and each event would be read into cold memory.
package final class ReceiveBuffers {
    private static let smallSize = 4 << 10
    private static let largeSize = 64 << 10

    private let small = SpareBuffer()
    private let large = SpareBuffer()

    package init() {}

    /// Returns a buffer with room for at least `length` bytes.
    func take(_ length: Int) -> ByteBuffer {
        let spare = length > Self.smallSize ? large : small
        return spare.take(for: length) ?? ByteBufferAllocator().buffer(capacity: max(length, Self.smallSize))
    }

    /// Takes back a buffer with what was read into it, before that is passed on. It is reused only once no part of it
    /// is referenced any more.
    func giveBack(_ used: ByteBuffer) {
        switch used.capacity {
        case Self.smallSize: small.giveBack(used)
        case (Self.smallSize + 1)...Self.largeSize: large.giveBack(used)
        default: break
        }
    }

    /// Makes a connection read into the event loop's buffers.
    package func serve(_ channel: any Channel) throws {
        let allocator = Allocator(buffers: NIOLoopBound(self, eventLoop: channel.eventLoop))
        try channel.syncOptions?.setOption(.recvAllocator, value: allocator)
        // The first read continues in a larger buffer. From then on there is one read per wake-up, so that NIO keeps
        // only the first buffer.
        try channel.syncOptions?.setOption(.maxMessagesPerRead, value: 2)
        try channel.pipeline.syncOperations.addHandler(Collector(buffers: self))
    }

    /// Chooses the size of the next buffer by what was read before.
    struct Allocator: RecvByteBufferAllocator {
        /// NIO keeps a connection's first buffer, so that it is small.
        private static let firstSize = 256

        private let buffers: NIOLoopBound<ReceiveBuffers>
        private var size = AdaptiveRecvByteBufferAllocator(minimum: smallSize, initial: smallSize, maximum: largeSize)
        private var isFirst = true

        init(buffers: NIOLoopBound<ReceiveBuffers>) { self.buffers = buffers }

        func buffer(allocator: ByteBufferAllocator) -> ByteBuffer {
            if isFirst { return allocator.buffer(capacity: Self.firstSize) }
            return buffers.value.take(size.nextBufferSize() ?? smallSize)
        }

        /// - Returns: Always `true`, so that NIO asks for a buffer at each read.
        mutating func record(actualReadBytes: Int) -> Bool {
            if !isFirst { _ = size.record(actualReadBytes: actualReadBytes) }
            isFirst = false
            return true
        }
    }

    /// The first handler of a pipeline, which sees each buffer before the others.
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
