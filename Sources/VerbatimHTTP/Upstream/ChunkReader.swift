import VerbatimPlatform

/// Reads chunks in their usual form: a size of at most seven digits, without extensions. Everything else, including the
/// last chunk, is left to NIO's parser, from the start of that chunk on.
struct ChunkReader {
    enum Step: Equatable {
        /// Bytes of the body.
        case data(Range<Int>)
        /// Everything before the offset has been read. What follows it must be given again together with more bytes.
        case needsMore
        /// The parser continues at the offset.
        case isForParser
        /// The data of a chunk is not followed by the end of a line.
        case isBroken
    }

    private enum State {
        case size
        case data(left: Int)
        case carriageReturn
        case lineFeed
    }

    private var state = State.size

    /// Reads at `offset` and advances it.
    mutating func next(in bytes: UnsafeRawBufferPointer, at offset: inout Int) -> Step {
        while offset < bytes.count {
            switch state {
            case .size:
                var end = offset
                var size = 0
                while end < bytes.count, end - offset < 7, let digit = hexDigitValue(bytes[end]) {
                    size = size << 4 | Int(digit)
                    end += 1
                }
                if end == bytes.count { return .needsMore }
                guard bytes[end] == UInt8(ascii: "\r") else { return .isForParser }
                if end + 1 == bytes.count { return .needsMore }
                // A line without digits has size 0 as well.
                guard size > 0, bytes[end + 1] == UInt8(ascii: "\n") else { return .isForParser }
                state = .data(left: size)
                offset = end + 2
            case .data(let left):
                let data = offset..<min(offset + left, bytes.count)
                state = data.count == left ? .carriageReturn : .data(left: left - data.count)
                offset = data.upperBound
                return .data(data)
            case .carriageReturn:
                guard bytes[offset] == UInt8(ascii: "\r") else { return .isBroken }
                state = .lineFeed
                offset += 1
            case .lineFeed:
                guard bytes[offset] == UInt8(ascii: "\n") else { return .isBroken }
                state = .size
                offset += 1
            }
        }
        return .needsMore
    }
}
