package import NIOCore
package import NIOHTTP1

/// Writes one response to a client, framed as HTTP/1.1.
///
/// NIO's encoder is not used because a forwarded response must keep the upstream's bytes: its reason phrase, its order
/// of headers, one chunk for each event. Everything from one turn of the event loop is sent in one write.
package struct ResponseWriter {
    /// What the request says about the response to it.
    package private(set) var request: Request
    package private(set) var isHeadWritten = false
    package private(set) var isEnded = false
    private var framing = ResponseFraming.none
    private var front: [ByteBuffer] = []
    private var buffer = ByteBuffer()
    private let spare: SpareBuffer?

    /// Bytes to write, in order.
    package struct Segments {
        fileprivate(set) package var front: [ByteBuffer] = []
        fileprivate(set) package var last = ByteBuffer()

        package init() {}

        fileprivate init(front: [ByteBuffer], last: ByteBuffer) {
            self.front = front
            self.last = last
        }

        package var isEmpty: Bool { front.isEmpty && last.readableBytes == 0 }
    }

    package struct Request: Sendable {
        package var isHead = false
        /// Whether the client uses HTTP/1.1, so that chunks and interim responses may be sent.
        package var takesChunks = true
        package var keepsAlive = true
        package var errorFormat: ErrorFormat

        package init(
            isHead: Bool = false, takesChunks: Bool = true, keepsAlive: Bool = true, errorFormat: ErrorFormat
        ) {
            self.isHead = isHead
            self.takesChunks = takesChunks
            self.keepsAlive = keepsAlive
            self.errorFormat = errorFormat
        }

        package init(_ head: HTTPRequestHead, errorFormat: ErrorFormat) {
            isHead = head.method == .HEAD
            takesChunks = head.version.major == 1 && head.version.minor >= 1
            keepsAlive = head.isKeepAlive && !head.headers.contains(name: "upgrade")
            self.errorFormat = errorFormat
        }
    }

    /// - Parameter spare: A buffer that responses of the same event loop share.
    package init(request: Request, spare: SpareBuffer? = nil) {
        self.request = request
        self.spare = spare
    }

    /// Announces in the head, if it has not been written yet, that the connection closes after the response.
    package mutating func closeAfterResponse() { request.keepsAlive = false }

    /// Whether the client can tell from the framing that a response was cut off.
    package var showsTruncation: Bool { framing == .chunked || framing == .contentLength }

    /// Whether a response that has begun may end anywhere.
    package var takesAnyLength: Bool { framing == .chunked || framing == .untilClose }

    /// Whether the connection must close after the response.
    package var mustClose: Bool { !request.keepsAlive || framing == .untilClose }

    // MARK: Writing

    package mutating func continueRequest() {
        if request.takesChunks { buffer.writeStaticString("HTTP/1.1 100 Continue\r\n\r\n") }
    }

    package mutating func head(
        status: Int, reason: String, headers: HTTPHeaders, framing: ResponseFraming
    ) {
        var framing = framing
        if framing == .chunked && !request.takesChunks { framing = .untilClose }
        self.framing = request.isHead || status == 204 || status == 304 ? .none : framing
        isHeadWritten = true
        buffer.writeHead(startLine: ["HTTP/1.1", String(status), reason], headers)
        if self.framing == .chunked { buffer.writeStaticString("Transfer-Encoding: chunked\r\n") }
        if mustClose {
            buffer.writeStaticString("Connection: close\r\n")
        } else if !request.takesChunks {
            buffer.writeStaticString("Connection: keep-alive\r\n")
        }
        buffer.writeStaticString("\r\n")
    }

    /// Writes a whole error response.
    ///
    /// - Parameter closes: Whether the rest of the request will not be read.
    package mutating func respond(with error: ErrorResponse, closes: Bool = false) {
        if closes { request.keepsAlive = false }
        respond(status: error.status, json: request.errorFormat.body(error), headers: error.headers)
    }

    /// Writes a whole response with a JSON body.
    ///
    /// - Parameter headers: Headers beside those that describe the body.
    package mutating func respond(status: HTTPResponseStatus, json: [UInt8], headers: HTTPHeaders = [:]) {
        var headers = headers
        headers.add(contentsOf: ["Content-Type": "application/json", "Content-Length": String(json.count)])
        head(status: Int(status.code), reason: status.reasonPhrase, headers: headers, framing: .contentLength)
        body(ByteBuffer(bytes: json))
        end()
    }

    /// Writes a piece of the body; a chunk of its own where there are chunks.
    package mutating func body(_ bytes: ByteBuffer) {
        if bytes.readableBytes == 0 || framing == .none { return }
        startChunk(of: bytes.readableBytes)
        append(bytes)
        endChunk()
    }

    /// Writes a piece of the body of `length` bytes that `write` appends.
    package mutating func body(of length: Int, _ write: (inout ByteBuffer) -> Void) {
        if length == 0 || framing == .none { return }
        startChunk(of: length)
        write(&buffer)
        endChunk()
    }

    package mutating func end() {
        if framing == .chunked { buffer.writeStaticString("0\r\n\r\n") }
        isEnded = true
    }

    /// Writes bytes that change nothing for a client that is still there and provoke a reset from one that is gone: an
    /// interim response before the head, a leading zero of the next chunk's size after it.
    ///
    /// - Returns: `false` if there are no such bytes now.
    package mutating func probeClient() -> Bool {
        guard request.takesChunks, !isEnded else { return false }
        if !isHeadWritten {
            buffer.writeStaticString("HTTP/1.1 100 Continue\r\n\r\n")
            return true
        }
        guard framing == .chunked else { return false }
        buffer.writeStaticString("0")
        return true
    }

    /// Takes what is to be written now.
    package mutating func take() -> Segments {
        defer { discard() }
        return Segments(front: front, last: buffer)
    }

    /// Drops what has not been taken.
    package mutating func discard() {
        front = []
        buffer = ByteBuffer()
    }

    // MARK: Pieces

    private mutating func startChunk(of length: Int) {
        if length < ByteBuffer.copiedLength {
            // An event that is sent alone causes at most one allocation.
            let room = length + 16
            if buffer.capacity == 0, let spare = spare?.take(for: room) { buffer = spare }
            buffer.reserveCapacity(minimumWritableBytes: room)
        }
        if framing == .chunked { buffer.writeChunkSize(length) }
    }

    private mutating func endChunk() {
        if framing == .chunked { buffer.writeStaticString("\r\n") }
    }

    private mutating func append(_ bytes: ByteBuffer) {
        if bytes.readableBytes < ByteBuffer.copiedLength {
            buffer.writeImmutableBuffer(bytes)
            return
        }
        if buffer.readableBytes > 0 { front.append(buffer) }
        front.append(bytes)
        buffer = ByteBuffer()
    }
}
