import NIOCore

/// Parses an HTTP/1.1 reply: its status, its headers, the bytes of its body.
///
/// It is written from the RFC alone, so that it shares no mistake with the proxy.
struct ReplyReader {
    private enum State {
        case statusLine, headers, chunkSize, chunk(Int), chunkEnd, trailers, length(Int), done
    }

    private var state = State.statusLine
    private var line = ByteBuffer()
    private var length: Int?
    private var isChunked = false
    private(set) var status = 0
    /// The headers, with names in lower case.
    private(set) var headers: [(name: String, value: String)] = []
    private(set) var isHeadRead = false
    /// Whether the server closes the connection after the reply.
    private(set) var closes = false

    /// Whether the reply is complete.
    var isDone: Bool { if case .done = state { true } else { false } }

    func header(_ name: String) -> String? { headers.first { $0.name == name }?.value }

    /// Parses bytes that have arrived, and returns the bytes of the body among them.
    mutating func receive(_ bytes: inout ByteBuffer) throws(Mismatch) -> ByteBuffer {
        var body = ByteBuffer()
        func add(_ part: ByteBuffer?) {
            guard var part else { return }
            if body.readableBytes == 0 { body = part } else { body.writeBuffer(&part) }
        }
        while bytes.readableBytes > 0 {
            switch state {
            case .statusLine:
                guard let line = try readLine(&bytes) else { return body }
                let words = line.split(separator: " ", maxSplits: 2)
                guard words.count >= 2, words[0] == "HTTP/1.1", let status = Int(words[1]) else {
                    throw .framing("status line: \(line.prefix(80))")
                }
                self.status = status
                state = .headers
            case .headers:
                guard let line = try readLine(&bytes) else { return body }
                if line.isEmpty { try endHead() } else { try readHeader(line) }
            case .chunkSize:
                guard let line = try readLine(&bytes) else { return body }
                guard let size = Int(line, radix: 16), size >= 0 else {
                    throw .framing("chunk size: \(line.prefix(80))")
                }
                state = size == 0 ? .trailers : .chunk(size)
            case .chunk(let rest):
                let count = min(rest, bytes.readableBytes)
                add(bytes.readSlice(length: count))
                state = count == rest ? .chunkEnd : .chunk(rest - count)
            case .chunkEnd:
                guard let line = try readLine(&bytes) else { return body }
                guard line.isEmpty else { throw .framing("behind a chunk: \(line.prefix(80))") }
                state = .chunkSize
            case .trailers:
                guard let line = try readLine(&bytes) else { return body }
                if line.isEmpty { state = .done }
            case .length(let rest):
                let count = min(rest, bytes.readableBytes)
                add(bytes.readSlice(length: count))
                state = count == rest ? .done : .length(rest - count)
            case .done:
                throw .framing("\(bytes.readableBytes) bytes behind the reply")
            }
        }
        return body
    }

    private mutating func readLine(_ bytes: inout ByteBuffer) throws(Mismatch) -> String? {
        let end = bytes.readableBytesView.firstIndex(of: UInt8(ascii: "\n"))
        let count = end.map { $0 + 1 - bytes.readerIndex } ?? bytes.readableBytes
        if var part = bytes.readSlice(length: count) { line.writeBuffer(&part) }
        if line.readableBytes > 64 << 10 { throw .framing("a line of more than 64 KiB") }
        if end == nil { return nil }
        let text = String(buffer: line)
        line.clear()
        guard text.hasSuffix("\r\n") else { throw .framing("a line without CR: \(text.prefix(80))") }
        return String(text.dropLast())
    }

    private mutating func readHeader(_ line: String) throws(Mismatch) {
        guard let colon = line.firstIndex(of: ":") else { throw .framing("header: \(line.prefix(80))") }
        let name = line[..<colon].lowercased()
        let value = line[line.index(after: colon)...].drop { $0 == " " }
        headers.append((name, String(value)))
        switch name {
        case "content-length": length = Int(value)
        case "transfer-encoding": isChunked = value.lowercased() == "chunked"
        case "connection": closes = value.lowercased() == "close"
        default: break
        }
    }

    private mutating func endHead() throws(Mismatch) {
        if status == 100 {
            self = ReplyReader()
            return
        }
        isHeadRead = true
        if isChunked {
            state = .chunkSize
        } else if let length {
            state = length == 0 ? .done : .length(length)
        } else {
            throw .framing("a reply without a length")
        }
    }
}
