/// Finds the reason phrase of a response, which NIO's decoder replaces by the usual one, and the end of its head.
struct ResponseHeadReader {
    private enum State {
        case statusLine
        /// `length` is that of the current line so far, without its end.
        case headers(isInterim: Bool, length: Int)
    }

    /// Longest status line whose reason phrase is kept.
    private static let limit = 8 << 10

    private var state = State.statusLine
    /// The part of the status line that has arrived.
    private var line: [UInt8] = []
    private(set) var reasonPhrase: String?
    /// Whether one of the headers may be `Transfer-Encoding`.
    private(set) var mayHaveChunks = false

    mutating func expectReply() {
        state = .statusLine
        line.removeAll(keepingCapacity: true)
        reasonPhrase = nil
        mayHaveChunks = false
    }

    /// Reads further bytes. Returns the number of bytes up to the end of the head; `nil` if that has not arrived. Heads
    /// of interim responses are skipped.
    mutating func read(_ bytes: UnsafeRawBufferPointer) -> Int? {
        var start = 0
        while start < bytes.count {
            let rest = UnsafeRawBufferPointer(rebasing: bytes[start...])
            let lineFeed = rest.firstIndex(of: UInt8(ascii: "\n"))
            let part = UnsafeRawBufferPointer(rebasing: rest[..<(lineFeed ?? rest.count)])
            start += part.count + 1
            switch state {
            case .statusLine:
                line.append(contentsOf: part.prefix(Self.limit + 1 - line.count))
                if lineFeed != nil { endStatusLine() }
            case .headers(let isInterim, let length):
                if length == 0, let first = part.first, first | 0x20 == UInt8(ascii: "t") { mayHaveChunks = true }
                let isBlank = part.isEmpty || (part.count == 1 && part.first == UInt8(ascii: "\r"))
                guard lineFeed != nil else {
                    state = .headers(isInterim: isInterim, length: length + (isBlank ? 0 : part.count))
                    break
                }
                state = .headers(isInterim: isInterim, length: 0)
                if length > 0 || !isBlank { break }
                if !isInterim { return start }
                expectReply()
            }
        }
        return nil
    }

    /// `HTTP/1.1 200 Some Words`
    private mutating func endStatusLine() {
        let line = line.last == UInt8(ascii: "\r") ? line.dropLast() : line[...]
        let parts = line.split(separator: UInt8(ascii: " "), maxSplits: 2, omittingEmptySubsequences: false)
        let isInterim = parts.count > 1 && parts[1].first == UInt8(ascii: "1") && parts[1].count == 3
        if !isInterim && self.line.count <= Self.limit {
            reasonPhrase = parts.count > 2 ? String(decoding: parts[2], as: UTF8.self) : ""
        }
        state = .headers(isInterim: isInterim, length: 0)
    }
}
