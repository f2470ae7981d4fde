/// One request, and full control over the response.
///
/// Only what the script sends is sent. When the script returns, the connection is kept for the next
/// request, unless the request asked to close it or the peer has left. When the script throws, it is closed.
package struct MockExchange: Sendable {
    package let request: MockRequest
    let connection: MockConnection

    /// The headers that ``startEventStream(headers:)`` sends by default.
    package static let eventStreamHeaders = [("Content-Type", "text/event-stream")]

    // MARK: Raw bytes

    /// Sends bytes as they are and returns once the socket has taken them. Throws if the connection is gone.
    package func send(_ bytes: [UInt8]) async throws {
        try await connection.send(bytes)
    }

    /// Sends text as it is, in UTF-8.
    package func send(_ text: String) async throws {
        try await send(Array(text.utf8))
    }

    // MARK: Whole replies

    /// Sends a complete reply in one write. Adds `Content-Length` unless `headers` already frame the body.
    package func respond(
        status: Int = 200, reason: String = "OK", headers: [(String, String)] = [], body: [UInt8] = []
    ) async throws {
        let length = Self.isFramed(headers) ? [] : [("Content-Length", String(body.count))]
        try await send(Self.head(status, reason, headers + length) + body)
    }

    /// Sends a complete reply in one write. Adds `Content-Length` unless `headers` already frame the body.
    package func respond(
        status: Int = 200, reason: String = "OK", headers: [(String, String)] = [], body: String
    ) async throws {
        try await respond(status: status, reason: reason, headers: headers, body: Array(body.utf8))
    }

    // MARK: Streams

    /// Sends the head of a chunked reply with status 200. Adds `Transfer-Encoding` unless `headers` hold it.
    package func startEventStream(headers: [(String, String)] = eventStreamHeaders) async throws {
        let framing = Self.isFramed(headers) ? [] : [("Transfer-Encoding", "chunked")]
        try await send(Self.head(200, "OK", headers + framing))
    }

    /// Sends one HTTP chunk. Without bytes nothing is sent, since an empty chunk would end the body.
    package func sendChunk(_ bytes: [UInt8]) async throws {
        guard !bytes.isEmpty else { return }
        try await send(Array(String(bytes.count, radix: 16).utf8) + [13, 10] + bytes + [13, 10])
    }

    /// Sends one HTTP chunk of text.
    package func sendChunk(_ text: String) async throws {
        try await sendChunk(Array(text.utf8))
    }

    /// Sends `data` as one server-sent event in one chunk.
    package func sendEvent(_ data: String) async throws {
        try await sendChunk("data: \(data)\n\n")
    }

    /// Sends the chunk that ends a chunked body.
    package func finishStream() async throws {
        try await send("0\r\n\r\n")
    }

    // MARK: The connection

    /// Closes the connection once what was sent is on its way.
    package func close() async {
        await connection.close()
    }

    /// Breaks the connection with a TCP reset, which discards what the peer has not received yet.
    package func reset() async {
        await connection.reset()
    }

    /// Waits until the peer has closed or reset the connection.
    ///
    /// It returns early if this side closes the connection, the engine stops or the task is cancelled.
    package func peerClosed() async {
        await connection.peerClosed()
    }

    private static func isFramed(_ headers: [(String, String)]) -> Bool {
        headers.contains { ["content-length", "transfer-encoding"].contains($0.0.lowercased()) }
    }

    private static func head(_ status: Int, _ reason: String, _ headers: [(String, String)]) -> [UInt8] {
        let lines = ["HTTP/1.1 \(status) \(reason)"] + headers.map { "\($0.0): \($0.1)" }
        return Array((lines.joined(separator: "\r\n") + "\r\n\r\n").utf8)
    }
}
