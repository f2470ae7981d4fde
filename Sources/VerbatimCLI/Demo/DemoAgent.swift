import NIOCore
import NIOHTTP1
import NIOPosix

/// The smallest agent there can be: posts a chat completion and hands on the reply as it comes.
struct DemoAgent: Sendable {
    let host: String
    let port: Int

    /// Posts `body` and calls `receive` with each piece of the reply's body; returns the status.
    func post(_ path: String, body: [UInt8], receive: (ByteBuffer) -> Void) async throws -> Int {
        let channel = try await ClientBootstrap(group: .singletonMultiThreadedEventLoopGroup)
            .connect(host: host, port: port) { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHTTPClientHandlers()
                    return try NIOAsyncChannel<HTTPClientResponsePart, HTTPClientRequestPart>(
                        wrappingChannelSynchronously: channel)
                }
            }
        return try await channel.executeThenClose { inbound, outbound in
            let headers: HTTPHeaders = [
                "Host": "\(host):\(port)", "Content-Type": "application/json", "Content-Length": String(body.count),
            ]
            let head = HTTPRequestHead(version: .http1_1, method: .POST, uri: path, headers: headers)
            try await outbound.write(.head(head))
            try await outbound.write(.body(.byteBuffer(ByteBuffer(bytes: body))))
            try await outbound.write(.end(nil))
            var status = 0
            for try await part in inbound {
                switch part {
                case .head(let head): status = Int(head.status.code)
                case .body(let body): receive(body)
                case .end: return status
                }
            }
            return status
        }
    }
}
