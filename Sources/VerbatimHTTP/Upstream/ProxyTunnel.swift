import NIOCore
import VerbatimPlatform

/// A forward proxy through which the upstream is reached (HTTP `CONNECT`, RFC 9110 §9.3.6).
package struct ForwardProxy: Sendable {
    package var host: String
    package var port: Int
    /// The value of `Proxy-Authorization`; `nil` for none.
    package var authorization: String?

    package init(host: String, port: Int, authorization: String? = nil) {
        self.host = host
        self.port = port
        self.authorization = authorization
    }
}

/// Why a forward proxy opened no tunnel.
struct TunnelRefused: Error, CustomStringConvertible {
    /// The status of its response; `nil` if that was none, or did not come.
    let status: Int?

    var description: String {
        status.map { "the proxy refused the tunnel with status \($0)" } ?? "the proxy did not open the tunnel"
    }
}

/// Asks a forward proxy for a tunnel as soon as it is connected. The other handlers see the connection as open once the
/// tunnel is.
final class ProxyTunnel: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer
    typealias OutboundOut = ByteBuffer

    /// Larger heads of a response to `CONNECT` are refused.
    private static let maximumHeadSize = 16 << 10

    private let proxy: ForwardProxy
    private let target: String
    /// Succeeds when the tunnel is open; fails with the reason if it cannot be opened.
    private let opened: EventLoopPromise<Void>
    private var head = ByteBuffer()
    private var isOver = false

    init(through proxy: ForwardProxy, to upstream: UpstreamAddress, opened: EventLoopPromise<Void>) {
        self.proxy = proxy
        target = "\(upstream.host.contains(":") ? "[\(upstream.host)]" : upstream.host):\(upstream.port)"
        self.opened = opened
    }

    func channelActive(context: ChannelHandlerContext) {
        var request = "CONNECT \(target) HTTP/1.1\r\nHost: \(target)\r\n"
        if let authorization = proxy.authorization { request += "Proxy-Authorization: \(authorization)\r\n" }
        context.writeAndFlush(wrapOutboundOut(ByteBuffer(string: request + "\r\n")), promise: nil)
        context.read()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard !isOver else { return context.fireChannelRead(data) }
        head.writeImmutableBuffer(unwrapInboundIn(data))
        guard let end = Self.end(of: head.readableBytesView) else {
            if head.readableBytes > Self.maximumHeadSize { fail(context, status: nil) }
            return
        }
        let line = head.readableBytesView.prefix { $0 != UInt8(ascii: "\r") }
        let words = line.split(separator: UInt8(ascii: " "))
        let status = words.count > 1 ? Int(String(decoding: words[1], as: UTF8.self)) : nil
        guard line.starts(with: "HTTP/1.".utf8), let status, 200..<300 ~= status else {
            return fail(context, status: status)
        }
        isOver = true
        head.moveReaderIndex(forwardBy: end)
        let rest = head
        opened.succeed()
        context.fireChannelActive()
        if rest.readableBytes > 0 { context.fireChannelRead(wrapInboundOut(rest)) }
        context.pipeline.syncOperations.removeHandler(self, promise: nil)
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        if isOver { context.fireChannelReadComplete() } else { context.read() }
    }

    func channelInactive(context: ChannelHandlerContext) {
        fail(context, status: nil)
        context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        if !isOver {
            isOver = true
            opened.fail(error)
        }
        context.fireErrorCaught(error)
    }

    private func fail(_ context: ChannelHandlerContext, status: Int?) {
        guard !isOver else { return }
        isOver = true
        opened.fail(TunnelRefused(status: status))
        context.close(promise: nil)
    }

    /// The length of a head with its empty line; `nil` if that has not come.
    private static func end(of bytes: ByteBufferView) -> Int? {
        var matched = 0
        for (index, byte) in bytes.enumerated() {
            if byte == UInt8(ascii: "\n") {
                matched += 1
                if matched == 2 { return index + 1 }
            } else if byte != UInt8(ascii: "\r") {
                matched = 0
            }
        }
        return nil
    }
}
