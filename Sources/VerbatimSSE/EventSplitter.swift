/// Finds where server-sent events end, in bytes that arrive in pieces of any size.
///
/// The caller keeps the bytes that no unit has claimed yet and shows them again, with what has arrived since, to
/// ``nextUnit(in:)``. No byte is looked at twice. Joined together, the units are the stream, byte for byte.
///
/// Line endings may be `\n`, `\r\n` or `\r`, also mixed (WHATWG HTML, "Server-sent events"). An event ends with the
/// first byte that makes its blank line certain: a `\n` that follows a final `\r` comes as a unit of its own.
package struct EventSplitter: Sendable {
    package struct Unit: Hashable, Sendable {
        package enum Kind: Hashable, Sendable {
            /// An event: its lines and the blank line that ends it.
            case event
            /// Bytes between events: a comment line, a blank line, the byte order mark a stream may start with.
            case filler
            /// The `\n` of a `\r\n` whose `\r` ended the unit before. It shares that unit's fate.
            case lineFeed
        }

        package let kind: Kind
        /// How many bytes it takes from the front.
        package let length: Int
    }

    /// Whether a byte order mark may still come.
    private var isAtStart = true
    /// How many bytes at the front have been looked at.
    private var scanned = 0
    /// Where the line being scanned starts.
    private var lineStart = 0
    /// Whether a line of an event has been seen in front of the current line.
    private var isInEvent = false
    /// Whether the last unit ended with `\r`, so that a `\n` would belong to it.
    private var mayFollowLineFeed = false

    package init() {}

    /// The next complete unit at the front of `bytes`, or `nil` if more bytes are needed.
    package mutating func nextUnit(in bytes: Span<UInt8>) -> Unit? {
        if isAtStart {
            let length = lengthOfByteOrderMark(in: bytes)
            if length == bytes.count && length < 3 { return nil }
            isAtStart = false
            if length == 3 { return Unit(kind: .filler, length: 3) }
        }
        if mayFollowLineFeed && scanned == 0 && !bytes.isEmpty {
            mayFollowLineFeed = false
            if bytes[0] == UInt8(ascii: "\n") { return Unit(kind: .lineFeed, length: 1) }
        }
        while true {
            let end = nextLineBreak(in: bytes, from: scanned)
            scanned = end
            if end == bytes.count { return nil }
            var behind = end + 1
            let endsWithReturn = bytes[end] == UInt8(ascii: "\r")
            if endsWithReturn && behind < bytes.count && bytes[behind] == UInt8(ascii: "\n") { behind += 1 }
            let isBlank = end == lineStart
            let isComment = !isBlank && bytes[lineStart] == UInt8(ascii: ":")
            if isBlank || (isComment && !isInEvent) {
                let kind: Unit.Kind = isBlank && isInEvent ? .event : .filler
                scanned = 0
                lineStart = 0
                isInEvent = false
                mayFollowLineFeed = endsWithReturn && behind == end + 1
                return Unit(kind: kind, length: behind)
            }
            if endsWithReturn && behind == bytes.count && behind == end + 1 {
                // A "\n" may still come; decide when the next byte is there.
                return nil
            }
            isInEvent = true
            scanned = behind
            lineStart = behind
        }
    }

    /// How many of the bytes EF BB BF stand at the front.
    private func lengthOfByteOrderMark(in bytes: Span<UInt8>) -> Int {
        let mark: StaticString = "\u{FEFF}"
        var length = 0
        while length < min(mark.utf8CodeUnitCount, bytes.count), bytes[length] == mark.utf8Start[length] { length += 1 }
        return length
    }
}
