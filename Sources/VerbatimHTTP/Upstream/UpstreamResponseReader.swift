import NIOCore

/// Reads the upstream's bytes before NIO's parser: notes the reason phrase, and passes the chunks of a body directly to
/// the connection.
///
/// Of a chunked body the parser sees only the last chunk. It still checks each head, the trailers and what follows
/// them, while a streamed event skips 8 % of its user-space instructions.
final class UpstreamResponseReader: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer

    private enum State {
        case head
        case chunks(ChunkReader)
        /// Everything goes to the parser.
        case parser
    }

    private var state = State.parser
    private var head = ResponseHeadReader()
    /// The start of a chunk that is incomplete.
    private var held: ByteBuffer?
    private var tail = ResponseTail()
    /// Set while the handler is in the pipeline.
    var connection: UpstreamConnection?

    var reasonPhrase: String? { head.reasonPhrase }
    var mayHaveChunks: Bool { head.mayHaveChunks }

    /// Whether nothing has arrived behind a response with this `Content-Length`, or behind its last chunk. False also
    /// if that is not known.
    func endsExactly(contentLength: Int?) -> Bool { tail.endsExactly(contentLength: contentLength) }

    /// Must be called when a request is sent.
    func expectReply() {
        head.expectReply()
        held = nil
        tail = ResponseTail()
        state = .head
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch state {
        case .parser:
            // Bytes without a request are no response: the next one would begin with them.
            if let connection, connection.isIdle { return connection.close() }
            unwrapInboundIn(data).withUnsafeReadableBytes { tail.read($0) }
            context.fireChannelRead(data)
        case .head: readHead(data, context)
        case .chunks(let chunks): read(chunks, in: unwrapInboundIn(data), context)
        }
    }

    private func readHead(_ data: NIOAny, _ context: ChannelHandlerContext) {
        var buffer = unwrapInboundIn(data)
        let length = buffer.withUnsafeReadableBytes { head.read($0) }
        if length != nil { state = .parser }
        guard let length, head.mayHaveChunks, let bytes = buffer.readSlice(length: length) else {
            if let length { tail.readBody(buffer.readableBytes - length) }
            return context.fireChannelRead(data)
        }
        context.fireChannelRead(wrapInboundOut(bytes))
        if connection?.expectsChunks == true {
            read(ChunkReader(), in: buffer, context)
        } else if buffer.readableBytes > 0 {
            tail.readBody(buffer.readableBytes)
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
                // Copied, so that the rest of the buffer can be reused.
                if buffer.readableBytes > 0 { held = ByteBuffer(bytes: buffer.readableBytesView) }
                state = .chunks(chunks)
                return
            case .isForParser:
                buffer.moveReaderIndex(forwardBy: offset)
                state = .parser
                tail.beginChunk()
                buffer.withUnsafeReadableBytes { tail.read($0) }
                return context.fireChannelRead(wrapInboundOut(buffer))
            case .isBroken:
                state = .parser
                return context.fireErrorCaught(
                    ResponseRules.Fault(description: "malformed chunk in the response"))
            }
        }
    }
}
