import NIOCore
import NIOEmbedded
import NIOHTTP1
import Testing

@testable import VerbatimHTTP

@Suite struct UpstreamRequestWriterTests {
    private let channel = EmbeddedChannel()
    private let writer = UpstreamRequestWriter()

    init() throws { try channel.pipeline.syncOperations.addHandler(writer) }

    private func start(_ headers: HTTPHeaders, _ method: HTTPMethod = .POST) throws {
        let head = HTTPRequestHead(version: .http1_1, method: method, uri: "/v1/x?y", headers: headers)
        channel.write(HTTPClientRequestPart.head(head), promise: nil)
    }

    /// The text of each write.
    private func written() throws -> [String] {
        channel.flush()
        var writes: [String] = []
        while let buffer = try channel.readOutbound(as: ByteBuffer.self) { writes.append(String(buffer: buffer)) }
        return writes
    }

    @Test("A small request is one write")
    func aSmallRequestIsOneWrite() throws {
        try start(["Host": "engine", "Content-Length": "4"])
        writer.send(ByteBuffer(string: "bo"))
        writer.send(ByteBuffer(string: "dy"))
        writer.end()
        #expect(try written() == ["POST /v1/x?y HTTP/1.1\r\nHost: engine\r\nContent-Length: 4\r\n\r\nbody"])
        try start(["Host": "engine"], .GET)
        writer.end()
        #expect(try written() == ["GET /v1/x?y HTTP/1.1\r\nHost: engine\r\n\r\n"])
        #expect(try written() == [])
    }

    @Test("A request without a length is chunked")
    func chunks() throws {
        try start(["transfer-encoding": "chunked"])
        #expect(try written() == ["POST /v1/x?y HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n"])
        writer.send(ByteBuffer(string: "seventeen letters"))
        // An empty chunk would end the body.
        writer.send(ByteBuffer())
        #expect(try written() == ["11\r\nseventeen letters\r\n"])
        writer.end()
        #expect(try written() == ["0\r\n\r\n"])
    }

    @Test("More may be sent from within a write")
    func moreMayBeSentWithinAWrite() throws {
        final class Sender: ChannelOutboundHandler {
            typealias OutboundIn = ByteBuffer
            var writer: UpstreamRequestWriter?

            func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
                let current = writer
                writer = nil
                current?.send(ByteBuffer(string: "body"))
                context.write(data, promise: promise)
            }
        }
        let sender = Sender()
        try channel.pipeline.syncOperations.addHandler(sender, position: .first)
        try start(["Content-Length": "4"])
        sender.writer = writer
        #expect(try written() == ["POST /v1/x?y HTTP/1.1\r\nContent-Length: 4\r\n\r\n"])
        #expect(try written() == ["body"])
    }

    @Test("A request does not inherit the framing of the one before it")
    func requestDoesNotInheritFraming() throws {
        try start(["transfer-encoding": "chunked"])
        writer.end()
        try start(["Content-Length": "1"])
        writer.send(ByteBuffer(string: "x"))
        writer.end()
        let requests = try written().joined()
        #expect(requests.hasSuffix("0\r\n\r\nPOST /v1/x?y HTTP/1.1\r\nContent-Length: 1\r\n\r\nx"))
    }

    @Test("Large pieces are not copied", arguments: [16 << 10, 1 << 20]) func largePiecesAreNotCopied(length: Int)
        throws
    {
        let piece = ByteBuffer(repeating: UInt8(ascii: "x"), count: length)
        let place = piece.withUnsafeReadableBytes { UInt(bitPattern: $0.baseAddress) }
        try start(["transfer-encoding": "chunked"])
        writer.send(piece)
        writer.end()
        channel.flush()
        let front = try #require(try channel.readOutbound(as: ByteBuffer.self))
        #expect(String(buffer: front).hasSuffix("\r\n\r\n\(String(length, radix: 16))\r\n"))
        let middle = try #require(try channel.readOutbound(as: ByteBuffer.self))
        #expect(middle == piece)
        #expect(middle.withUnsafeReadableBytes { UInt(bitPattern: $0.baseAddress) } == place)
        #expect(try written() == ["\r\n0\r\n\r\n"])
    }

    @Test("Bytes for a closed connection are dropped")
    func aConnectionThatIsGone() throws {
        try start(["Content-Length": "1"])
        _ = try channel.finish(acceptAlreadyClosed: true)
        writer.send(ByteBuffer(repeating: 0, count: 1 << 20))
        writer.end()
        #expect(try channel.readOutbound(as: ByteBuffer.self) == nil)
    }
}
