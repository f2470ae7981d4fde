import VerbatimPlatform

/// Takes chunks apart in the form in which engines send them: a size of at most seven digits, without extensions. All
/// else, the last chunk among it, is left to NIO's parser, from the beginning of that chunk on.
struct ChunkReader {
    enum Step: Equatable {
        /// Bytes of the body.
        case data(Range<Int>)
        /// All has been read but for what stands at the offset and behind it, which is to come again with more.
        case needsMore
        /// The parser is to go on at the offset.
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

    /// Reads on at `offset`, and moves it.
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
                // There may have been no digit at all.
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
