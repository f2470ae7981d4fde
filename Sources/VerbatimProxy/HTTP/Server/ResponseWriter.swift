import NIOCore
import NIOHTTP1

/// One reply on its way to the agent, framed as HTTP/1.1.
///
/// Written here and not by NIO's encoder because the reply must be the engine's own to the byte: its reason phrase, its
/// order of headers, one chunk for each event, and head, events and end of one turn of the event loop in one write.
struct ResponseWriter {
    enum Framing {
        case contentLength
        case chunked
        /// The body ends where the connection ends.
        case untilClose
        /// There is no body, whatever the headers say (HEAD, 204, 304).
        case none

        /// How the engine framed a reply.
        init(of head: HTTPResponseHead) {
            if head.status.code == 204 || head.status.code == 304 {
                self = .none
            } else if head.headers[canonicalForm: "transfer-encoding"].contains(where: { $0.lowercased() == "chunked" })
            {
                self = .chunked
            } else {
                self = head.headers.contains(name: "content-length") ? .contentLength : .untilClose
            }
        }
    }

    /// What the agent's request says about the reply to it.
    private(set) var request: Request
    private(set) var isHeadWritten = false
    private var isHeadTaken = false
    private(set) var isEnded = false
    private var framing = Framing.none
    private var front: [ByteBuffer] = []
    private var buffer = ByteBuffer()
    private let spare: SpareBuffer?

    /// What is to be written, in order.
    struct Segments {
        fileprivate(set) var front: [ByteBuffer] = []
        fileprivate(set) var last = ByteBuffer()

        var isEmpty: Bool { front.isEmpty && last.readableBytes == 0 }
    }

    struct Request {
        var isHead = false
        /// Whether the agent speaks HTTP/1.1, so that chunks and interim replies may be sent.
        var takesChunks = true
        var keepsAlive = true
        /// How an error of the proxy's own is put.
        var errorForm = ErrorReply.Form.openAI
    }

    /// - Parameter spare: The event loop's.
    init(request: Request, spare: SpareBuffer? = nil) {
        self.request = request
        self.spare = spare
    }

    /// Has the connection closed behind the reply, and the agent told so if its head is still to come.
    mutating func closeBehind() { request.keepsAlive = false }

    /// Whether the agent can tell from the framing that a reply was cut off.
    var showsTruncation: Bool { framing == .chunked || framing == .contentLength }

    /// Whether the connection must be closed behind the reply.
    var mustClose: Bool { !request.keepsAlive || framing == .untilClose }

    // MARK: Writing

    mutating func continueRequest() {
        if request.takesChunks { buffer.writeStaticString("HTTP/1.1 100 Continue\r\n\r\n") }
    }

    mutating func head(
        status: Int, reason: String, headers: HTTPHeaders, framing: Framing
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

    /// A whole answer of the proxy's own. `closes`: the agent's request is not read to its end.
    mutating func reply(with error: ErrorReply, closes: Bool = false) {
        if closes { request.keepsAlive = false }
        reply(status: error.status, json: error.body(in: request.errorForm), headers: error.headers)
    }

    /// A whole answer with a JSON body, and `headers` beside those that describe it.
    mutating func reply(status: HTTPResponseStatus, json: [UInt8], headers: HTTPHeaders = [:]) {
        var headers = headers
        headers.add(contentsOf: ["Content-Type": "application/json", "Content-Length": String(json.count)])
        head(status: Int(status.code), reason: status.reasonPhrase, headers: headers, framing: .contentLength)
        body(ByteBuffer(bytes: json))
        end()
    }

    /// A piece of the body; as a chunk of its own where there are chunks.
    mutating func body(_ bytes: ByteBuffer) {
        if bytes.readableBytes == 0 || framing == .none { return }
        startChunk(of: bytes.readableBytes)
        append(bytes)
        endChunk()
    }

    /// A piece of the body that an edit has put together.
    mutating func body(of length: Int, _ write: (inout ByteBuffer) -> Void) {
        if length == 0 || framing == .none { return }
        startChunk(of: length)
        write(&buffer)
        endChunk()
    }

    mutating func end() {
        if framing == .chunked { buffer.writeStaticString("0\r\n\r\n") }
        isEnded = true
    }

    /// Bytes that change nothing for an agent that is still there and make one that is gone answer with a reset: an
    /// interim reply in front of the head; in front of a chunk a leading zero of its size. `false` if there are none.
    mutating func probe() -> Bool {
        guard request.takesChunks, !isEnded else { return false }
        if !isHeadWritten {
            buffer.writeStaticString("HTTP/1.1 100 Continue\r\n\r\n")
            return true
        }
        guard framing == .chunked else { return false }
        buffer.writeStaticString("0")
        return true
    }

    /// What is to be written now.
    mutating func take() -> Segments {
        isHeadTaken = isHeadWritten
        defer { discard() }
        return Segments(front: front, last: buffer)
    }

    /// Forgets a reply whose head has not been taken, so that there can be another; `false` if it has been.
    mutating func withdraw() -> Bool {
        if isHeadTaken { return false }
        if isHeadWritten { discard() }
        isHeadWritten = false
        framing = .none
        return true
    }

    /// Forgets what has not been taken.
    mutating func discard() {
        front = []
        buffer = ByteBuffer()
    }

    // MARK: Pieces

    private mutating func startChunk(of length: Int) {
        if length < ByteBuffer.copiedLength {
            // No allocation for an event that goes out alone, or one.
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
