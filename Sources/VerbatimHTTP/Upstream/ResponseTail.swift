import VerbatimPlatform

/// Follows the bytes behind a response's head, to see whether anything follows the response itself.
///
/// The connection of a response is used again only if nothing does: the next client would get it.
struct ResponseTail {
    private enum State {
        /// The number of bytes behind the head.
        case body(Int)
        /// In the size of a chunk.
        case size(Int)
        /// Behind the size, on the same line.
        case afterSize(Int)
        /// In a chunk, with the number of bytes that are left.
        case data(Int)
        case dataEnd
        /// In a line behind the last chunk, with the number of its bytes so far, without its end.
        case line(Int)
        /// The response has ended with the last byte.
        case ended
        /// Bytes have followed, or the end cannot be told.
        case unclear
    }

    private var state = State.body(0)

    mutating func readBody(_ count: Int) {
        if case .body(let received) = state { state = .body(received + count) }
    }

    /// What follows begins with a chunk.
    mutating func beginChunk() { state = .size(0) }

    /// Reads bytes that go to the parser.
    mutating func read(_ bytes: UnsafeRawBufferPointer) {
        if case .body(let received) = state {
            state = .body(received + bytes.count)
            return
        }
        var index = 0
        while index < bytes.count {
            if case .data(let left) = state, left > 0 {
                let skipped = min(left, bytes.count - index)
                state = .data(left - skipped)
                index += skipped
            } else {
                state = next(bytes[index])
                index += 1
            }
        }
    }

    private func next(_ byte: UInt8) -> State {
        switch (state, byte) {
        case (.size(let size), UInt8(ascii: "\r")), (.size(let size), UInt8(ascii: ";")): return .afterSize(size)
        case (.size(let size), _):
            guard let digit = hexDigitValue(byte), size < 1 << 48 else { return .unclear }
            return .size(size << 4 | Int(digit))
        case (.afterSize(let size), UInt8(ascii: "\n")): return size == 0 ? .line(0) : .data(size)
        case (.afterSize(let size), _): return .afterSize(size)
        case (.data, UInt8(ascii: "\r")): return .dataEnd
        case (.dataEnd, UInt8(ascii: "\n")): return .size(0)
        case (.line(let length), UInt8(ascii: "\n")): return length == 0 ? .ended : .line(0)
        case (.line(let length), UInt8(ascii: "\r")): return .line(length)
        case (.line(let length), _): return .line(length + 1)
        default: return .unclear
        }
    }

    func endsExactly(contentLength: Int?) -> Bool {
        switch state {
        case .body(let received): received == contentLength
        case .ended: true
        case .size, .afterSize, .data, .dataEnd, .line, .unclear: false
        }
    }
}
