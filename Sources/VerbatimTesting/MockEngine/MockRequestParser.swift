import VerbatimPlatform

/// Parses the bytes of one connection into requests.
///
/// It uses no HTTP library, so that an independent reader checks what a proxy sends. It refuses what a strict server
/// would refuse, and reads each byte a bounded number of times.
struct MockRequestParser {
    /// Why the bytes are not a request.
    struct Malformed: Error, CustomStringConvertible {
        let description: String
    }

    private enum Phase {
        case head
        case body(remaining: Int)
        case chunkSize
        case chunk(remaining: Int)
        case chunkEnd
        case trailers
    }

    private let connection: Int
    private var buffer: [UInt8] = []
    private var consumed = 0
    private var scanned = 0
    private var phase = Phase.head
    private var request: MockRequest

    init(connection: Int) {
        self.connection = connection
        request = Self.emptyRequest(connection)
    }

    /// Whether no byte of an unfinished request is waiting.
    var isBetweenRequests: Bool {
        if case .head = phase { return consumed == buffer.count }
        return false
    }

    mutating func append(_ bytes: some Sequence<UInt8>) {
        if consumed > 0 {
            buffer.removeFirst(consumed)
            scanned -= consumed
            consumed = 0
        }
        buffer.append(contentsOf: bytes)
    }

    /// The next complete request, or nil until more bytes arrive.
    mutating func next() throws(Malformed) -> MockRequest? {
        while try advance() {
            if case .head = phase {
                defer { request = Self.emptyRequest(connection) }
                return request
            }
        }
        return nil
    }

    /// Takes one step. Returns false if it needs more bytes, and is in phase `head` again once a request is complete.
    private mutating func advance() throws(Malformed) -> Bool {
        switch phase {
        case .head:
            guard let head = takeHead() else { return false }
            try begin(head)
        case .body(let remaining):
            let taken = take(upTo: remaining)
            phase = taken == remaining ? .head : .body(remaining: remaining - taken)
            return taken == remaining
        case .chunkSize:
            guard let line = takeLine() else { return false }
            let digits = line.split(separator: ";", omittingEmptySubsequences: false)[0].trimmed
            guard digits.allSatisfy(\.isHexDigit), let size = Int(digits, radix: 16) else {
                throw Malformed(description: "chunk size \(line)")
            }
            phase = size == 0 ? .trailers : .chunk(remaining: size)
        case .chunk(let remaining):
            let taken = take(upTo: remaining)
            phase = taken == remaining ? .chunkEnd : .chunk(remaining: remaining - taken)
            return taken == remaining
        case .chunkEnd:
            guard let line = takeLine() else { return false }
            guard line.isEmpty else { throw Malformed(description: "bytes after the end of a chunk") }
            phase = .chunkSize
        case .trailers:
            guard let line = takeLine() else { return false }
            if line.isEmpty { phase = .head } else { request.trailers.append(try Self.field(line)) }
        }
        return true
    }

    private mutating func begin(_ head: [UInt8]) throws(Malformed) {
        var lines = String(decoding: head.dropLast(4), as: UTF8.self)
            .split(separator: "\r\n", omittingEmptySubsequences: false)
        let requestLine = lines.removeFirst().split(separator: " ", omittingEmptySubsequences: false)
        guard requestLine.count == 3, requestLine.allSatisfy({ !$0.isEmpty }), requestLine[2].hasPrefix("HTTP/1.")
        else {
            throw Malformed(description: "request line \(requestLine.joined(separator: " "))")
        }
        request.rawHead = head
        request.method = String(requestLine[0])
        request.target = String(requestLine[1])
        request.version = String(requestLine[2])
        for line in lines { request.headers.append(try Self.field(line)) }

        let lengths = request.headerValues("Content-Length")
        let codings = request.headerValues("Transfer-Encoding")
        if !codings.isEmpty {
            guard codings.count == 1, codings[0].lowercased() == "chunked", lengths.isEmpty else {
                throw Malformed(description: "transfer coding \(codings) with lengths \(lengths)")
            }
            phase = .chunkSize
        } else if !lengths.isEmpty {
            guard lengths.count == 1, lengths[0].allSatisfy(\.isNumber), let length = Int(lengths[0]) else {
                throw Malformed(description: "content length \(lengths)")
            }
            phase = .body(remaining: length)
        } else {
            phase = .body(remaining: 0)
        }
    }

    private static func field(_ line: some StringProtocol) throws(Malformed) -> (name: String, value: String) {
        guard let colon = line.firstIndex(of: ":"), colon > line.startIndex else {
            throw Malformed(description: "header line \(line)")
        }
        let name = String(line[..<colon])
        guard !name.contains(" "), !name.contains("\t") else { throw Malformed(description: "header name \(name)") }
        return (name, line[line.index(after: colon)...].trimmed)
    }

    private static func emptyRequest(_ connection: Int) -> MockRequest {
        MockRequest(method: "", target: "", version: "", connection: connection)
    }

    // MARK: Taking bytes

    private mutating func takeHead() -> [UInt8]? {
        guard let end = endOfNext([13, 10, 13, 10]) else { return nil }
        defer { consumed = end }
        return Array(buffer[consumed..<end])
    }

    private mutating func takeLine() -> String? {
        guard let end = endOfNext([13, 10]) else { return nil }
        defer { consumed = end }
        return String(decoding: buffer[consumed..<(end - 2)], as: UTF8.self)
    }

    /// Moves up to `count` bytes to the body, and returns how many.
    private mutating func take(upTo count: Int) -> Int {
        let taken = min(count, buffer.count - consumed)
        request.body.append(contentsOf: buffer[consumed..<(consumed + taken)])
        consumed += taken
        return taken
    }

    /// The offset after the next `marker`. Bytes that were searched before are not searched again.
    private mutating func endOfNext(_ marker: [UInt8]) -> Int? {
        let start = max(consumed, scanned)
        guard let found = buffer.firstOffset(of: marker, from: start) else {
            scanned = max(start, buffer.count - marker.count + 1)
            return nil
        }
        scanned = 0
        return found + marker.count
    }
}
