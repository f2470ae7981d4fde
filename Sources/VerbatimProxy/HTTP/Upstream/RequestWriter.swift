import NIOCore
import NIOHTTP1

/// A request on its way to the engine, framed as its headers say: head, body and end of a small one in one write.
///
/// The head comes down the pipeline, since the parser of replies must know what they answer; the rest past the parser.
final class RequestWriter: ChannelOutboundHandler {
    typealias OutboundIn = HTTPClientRequestPart
    typealias OutboundOut = ByteBuffer

    /// What most small requests have room in.
    private static let usualLength = 2 << 10

    private var context: ChannelHandlerContext?
    private var isChunked = false
    /// To be written with what follows.
    private var waiting = ByteBuffer()

    func handlerAdded(context: ChannelHandlerContext) { self.context = context }

    func handlerRemoved(context: ChannelHandlerContext) { self.context = nil }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        guard case .head(let head) = unwrapOutboundIn(data) else {
            assertionFailure("the rest of a request does not come down the pipeline")
            promise?.fail(ChannelError.operationUnsupported)
            return
        }
        isChunked = head.headers.contains(name: "transfer-encoding")
        waiting.reserveCapacity(Self.usualLength)
        waiting.writeHead(startLine: [head.method.rawValue, head.uri, "HTTP/1.1"], head.headers)
        waiting.writeStaticString("\r\n")
        promise?.succeed()
    }

    /// A piece of the body.
    func send(_ bytes: ByteBuffer) {
        if bytes.readableBytes == 0 { return }
        if isChunked { waiting.writeChunkSize(bytes.readableBytes) }
        if bytes.readableBytes < ByteBuffer.copiedLength {
            waiting.writeImmutableBuffer(bytes)
        } else {
            writeWaiting()
            context?.write(wrapOutboundOut(bytes), promise: nil)
        }
        if isChunked { waiting.writeStaticString("\r\n") }
    }

    func end() {
        if isChunked { waiting.writeStaticString("0\r\n\r\n") }
    }

    func flush(context: ChannelHandlerContext) {
        writeWaiting()
        context.flush()
    }

    private func writeWaiting() {
        if waiting.readableBytes == 0 { return }
        // Writing may call back.
        let bytes = waiting
        waiting = ByteBuffer()
        context?.write(wrapOutboundOut(bytes), promise: nil)
    }
}
