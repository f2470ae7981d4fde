import NIOCore
import NIOHTTP1
import NIOPosix

/// A minimal HTTP client: one connection per request, and the reply's body as it arrives.
struct SimpleHTTPClient: Sendable {
    let host: String
    let port: Int

    /// Posts `body` as JSON and calls `receive` with each piece of the reply's body. Returns the status.
    func post(
        _ path: String, headers: [(String, String)] = [], body: [UInt8], receive: (ByteBuffer) -> Void
    ) async throws -> Int {
        try await send(.POST, path, headers: headers, body: body, receive: receive)
    }

    /// Gets a document, and returns its status and body.
    func get(_ path: String) async throws -> (status: Int, body: [UInt8]) {
        var body: [UInt8] = []
        let status = try await send(.GET, path, headers: [], body: []) { body += $0.readableBytesView }
        return (status, body)
    }

    private func send(
        _ method: HTTPMethod, _ path: String, headers more: [(String, String)], body: [UInt8],
        receive: (ByteBuffer) -> Void
    ) async throws -> Int {
        let channel = try await ClientBootstrap(group: .singletonMultiThreadedEventLoopGroup)
            .connect(host: host, port: port) { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHTTPClientHandlers()
                    return try NIOAsyncChannel<HTTPClientResponsePart, HTTPClientRequestPart>(
                        wrappingChannelSynchronously: channel)
                }
            }
        return try await channel.executeThenClose { inbound, outbound in
            var headers: HTTPHeaders = ["Host": "\(host):\(port)"]
            if method == .POST {
                headers.add(contentsOf: ["Content-Type": "application/json", "Content-Length": String(body.count)])
            }
            headers.add(contentsOf: more)
            let head = HTTPRequestHead(version: .http1_1, method: method, uri: path, headers: headers)
            try await outbound.write(.head(head))
            if !body.isEmpty { try await outbound.write(.body(.byteBuffer(ByteBuffer(bytes: body)))) }
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
