import NIOCore
import NIOHTTP1
import VerbatimPlatform

/// One connection of the scripted engine. Replies are made of bytes that were prepared in advance.
final class EngineHandler: ChannelInboundHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundOut = ByteBuffer

    private let loop: EngineLoop
    private var context: ChannelHandlerContext?
    private var head: HTTPRequestHead?
    private var body = ByteBuffer()
    private var stream: StreamScript?
    private var step = 0
    private var due = NIODeadline.now()
    /// Whether a timer or task will continue the stream.
    private var isScheduled = false
    /// Whether a reply is under way.
    private var isReplying = false

    init(loop: EngineLoop) { self.loop = loop }

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        loop.counters.connections += 1
    }

    func handlerRemoved(context: ChannelHandlerContext) { self.context = nil }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .head(let head):
            self.head = head
            body.clear()
        case .body(let part): body.writeImmutableBuffer(part)
        case .end: reply(context)
        }
    }

    func channelInactive(context: ChannelHandlerContext) {
        if isReplying { loop.counters.left += 1 }
        isReplying = false
        stream = nil
        context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        if context.channel.isWritable && !isScheduled { advance() }
        context.fireChannelWritabilityChanged()
    }

    // MARK: Replies

    private func reply(_ context: ChannelHandlerContext) {
        guard let spec = TurnSpec(body: body), spec.events > 0 else { return replyToOther(context) }
        loop.counters.requests += 1
        isReplying = true
        switch spec.fault {
        case .error500: return replyWithError(500, "Internal Server Error", to: spec)
        case .error429: return replyWithError(429, "Too Many Requests", to: spec)
        default: break
        }
        if spec.isStream {
            startStream(spec, context)
        } else {
            var body = ByteBuffer()
            loop.cache.templates(for: spec).unary(spec, into: &body)
            let length = body.readableBytes
            if spec.fault == .truncate { body.moveWriterIndex(to: length / 2) }
            write(head("200 OK", spec, "content-length: \(length)\r\ncontent-type: application/json"), body)
            if spec.fault == .truncate { breakOff(resets: false) } else { end() }
        }
    }

    /// Responds to other requests: the model list names the engine, anything else is not found.
    private func replyToOther(_ context: ChannelHandlerContext) {
        let isModels = head?.uri.hasSuffix("/models") ?? false
        if !isModels { loop.counters.unknown += 1 }
        let body =
            isModels
            ? #"{"object":"list","data":[{"id":"load","object":"model","owned_by":"vllm"}]}"#
            : #"{"detail":"Not Found"}"#
        let status = isModels ? "200 OK" : "404 Not Found"
        write(
            ByteBuffer(
                string: "HTTP/1.1 \(status)\r\nserver: uvicorn\r\ncontent-length: \(body.utf8.count)\r\n"
                    + "content-type: application/json\r\n\r\n\(body)"))
    }

    private func replyWithError(_ status: Int, _ reason: String, to spec: TurnSpec) {
        let body = ByteBuffer(string: ReplyTemplates.error(spec, status: status))
        let framing = "content-length: \(body.readableBytes)\r\ncontent-type: application/json"
        write(head("\(status) \(reason)", spec, framing), body)
        end()
    }

    private func head(_ status: String, _ spec: TurnSpec, _ framing: String) -> ByteBuffer {
        ByteBuffer(
            string: "HTTP/1.1 \(status)\r\ndate: Sun, 22 Nov 2026 07:55:19 GMT\r\nserver: uvicorn\r\n"
                + "x-request-id: load-\(spec.id)\r\n\(framing)\r\n\r\n")
    }

    private func write(_ parts: ByteBuffer..., promise: EventLoopPromise<Void>? = nil) {
        guard let context else { return }
        for part in parts.dropLast() { context.write(wrapOutboundOut(part), promise: nil) }
        if let last = parts.last { context.writeAndFlush(wrapOutboundOut(last), promise: promise) }
    }

    private func end() {
        // Writing may have revealed that the peer is gone.
        guard isReplying else { return }
        isReplying = false
        stream = nil
        loop.counters.completed += 1
        if head?.isKeepAlive == false { context?.close(promise: nil) }
    }

    /// Closes the connection after what was written.
    private func breakOff(resets: Bool) {
        guard isReplying else { return }
        isReplying = false
        stream = nil
        loop.counters.broken += 1
        guard let context else { return }
        let written = context.eventLoop.makePromise(of: Void.self)
        written.futureResult.assumeIsolated().whenComplete { _ in
            guard resets, let options = context.channel as? any SocketOptionProvider else {
                return context.close(promise: nil)
            }
            options.setSoLinger(linger(l_onoff: 1, l_linger: 0)).assumeIsolated().whenComplete { _ in
                context.close(promise: nil)
            }
        }
        context.writeAndFlush(wrapOutboundOut(ByteBuffer()), promise: written)
    }

    // MARK: Streams

    private func startStream(_ spec: TurnSpec, _ context: ChannelHandlerContext) {
        stream = StreamScript(spec, loop.cache.templates(for: spec), isChunked: true)
        step = 0
        due = .now()
        let framing = "content-type: text/event-stream; charset=utf-8\r\nvary: Origin\r\ntransfer-encoding: chunked"
        context.write(wrapOutboundOut(head("200 OK", spec, framing)), promise: nil)
        advance()
    }

    /// Continues a stream whose next event is due.
    func resume() {
        isScheduled = false
        advance()
    }

    /// Sends what is due in one write, unless the peer does not read.
    private func advance() {
        guard let stream, let context, context.channel.isWritable else { return }
        let spec = stream.spec
        let now = NIODeadline.now()
        var bytes = ByteBuffer()
        var room = loop.burst
        while step < stream.stepCount, due <= now, room > 0 {
            stream.write(step: step, time: now.microseconds, into: &bytes)
            room -= 1
            if let token = stream.token(ofStep: step) {
                loop.counters.events += 1
                // Only tokens are paced. Events before the first and after the last are sent with them.
                if token < spec.events { due = due + .milliseconds(Int64(spec.interval)) }
            }
            step += 1
            if let fault = spec.fault, step > spec.at {
                switch fault {
                case .resetAt, .closeAt:
                    write(bytes)
                    return breakOff(resets: fault == .resetAt)
                case .stallAt:
                    self.stream = nil
                    return write(bytes)
                default: break
                }
            }
        }
        // The end of the body is a separate write if it does not fit.
        if step == stream.stepCount, room > 0 {
            bytes.writeStaticString("0\r\n\r\n")
            write(bytes)
            return end()
        }
        write(bytes)
        if isReplying { goOn(context) }
    }

    private func goOn(_ context: ChannelHandlerContext) {
        if due <= .now() {
            guard context.channel.isWritable else { return }
            isScheduled = true
            loop.takeTurns(self)
        } else {
            isScheduled = true
            loop.wheel.schedule(at: due) { self.resume() }
        }
    }
}
