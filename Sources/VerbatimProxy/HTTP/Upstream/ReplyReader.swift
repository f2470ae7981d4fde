import NIOCore

/// What comes from the engine, on its way to NIO's parser: the reason phrase is read, and the chunks of a stream go past
/// the parser.
///
/// Of a chunked body the parser sees nothing but the last chunk. So it judges each head, the trailers and what follows
/// them, and an event takes the short way.
final class ReplyReader: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer

    private enum State {
        case head
        case chunks(ChunkReader)
        /// All is the parser's.
        case parser
    }

    private var state = State.parser
    private var head = ResponseHeadReader()
    /// The beginning of a chunk's size.
    private var held: ByteBuffer?
    /// Set while it is in the pipeline.
    var connection: UpstreamConnection?

    var reasonPhrase: String? { head.reasonPhrase }
    var mayHaveChunks: Bool { head.mayHaveChunks }

    /// To be called when a request is sent.
    func expectReply() {
        head.expectReply()
        held = nil
        state = .head
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch state {
        case .parser: context.fireChannelRead(data)
        case .head: readHead(data, context)
        case .chunks(let chunks): read(chunks, in: unwrapInboundIn(data), context)
        }
    }

    private func readHead(_ data: NIOAny, _ context: ChannelHandlerContext) {
        var buffer = unwrapInboundIn(data)
        let length = buffer.withUnsafeReadableBytes { head.read($0) }
        if length != nil { state = .parser }
        guard let length, head.mayHaveChunks, let bytes = buffer.readSlice(length: length) else {
            return context.fireChannelRead(data)
        }
        context.fireChannelRead(wrapInboundOut(bytes))
        if connection?.expectsChunks == true {
            read(ChunkReader(), in: buffer, context)
        } else if buffer.readableBytes > 0 {
            context.fireChannelRead(wrapInboundOut(buffer))
        }
    }

    private func read(_ chunks: ChunkReader, in buffer: ByteBuffer, _ context: ChannelHandlerContext) {
        var buffer = buffer
        if var joined = held {
            joined.writeBuffer(&buffer)
            buffer = joined
            held = nil
        }
        var chunks = chunks
        while true {
            var offset = 0
            let step = buffer.withUnsafeReadableBytes { chunks.next(in: $0, at: &offset) }
            switch step {
            case .data(let data):
                buffer.moveReaderIndex(forwardBy: data.lowerBound)
                if let body = buffer.readSlice(length: data.count) { connection?.receive(body: body) }
            case .needsMore:
                buffer.moveReaderIndex(forwardBy: offset)
                // A copy, so that the rest of the buffer is free.
                if buffer.readableBytes > 0 { held = ByteBuffer(bytes: buffer.readableBytesView) }
                state = .chunks(chunks)
                return
            case .isForParser:
                buffer.moveReaderIndex(forwardBy: offset)
                state = .parser
                return context.fireChannelRead(wrapInboundOut(buffer))
            case .isBroken:
                state = .parser
                return context.fireErrorCaught(
                    ResponseRules.Fault(description: "a chunk of it does not end where it says"))
            }
        }
    }
}
