import NIOCore
import NIOHTTP1

/// Writes a request to the upstream, framed as its headers say. A small request is sent in one write.
///
/// The head comes through the pipeline, because the response parser must know the request's method. The rest bypasses
/// it.
final class UpstreamRequestWriter: ChannelOutboundHandler {
    typealias OutboundIn = HTTPClientRequestPart
    typealias OutboundOut = ByteBuffer

    /// Enough for most small requests.
    private static let usualLength = 2 << 10

    private var context: ChannelHandlerContext?
    private var isChunked = false
    /// Waits to be written with what follows.
    private var waiting = ByteBuffer()

    func handlerAdded(context: ChannelHandlerContext) { self.context = context }

    func handlerRemoved(context: ChannelHandlerContext) { self.context = nil }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        guard case .head(let head) = unwrapOutboundIn(data) else {
            assertionFailure("only a request's head comes through the pipeline")
            promise?.fail(ChannelError.operationUnsupported)
            return
        }
        isChunked = head.headers.contains(name: "transfer-encoding")
        waiting.reserveCapacity(Self.usualLength)
        waiting.writeHead(startLine: [head.method.rawValue, head.uri, "HTTP/1.1"], head.headers)
        waiting.writeStaticString("\r\n")
        promise?.succeed()
    }

    /// Writes a piece of the body.
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
        // Writing may call back into this handler.
        let bytes = waiting
        waiting = ByteBuffer()
        context?.write(wrapOutboundOut(bytes), promise: nil)
    }
}
