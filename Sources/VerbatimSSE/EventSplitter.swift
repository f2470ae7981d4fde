import VerbatimPlatform

/// Finds the ends of server-sent events in bytes that arrive in pieces of any size.
///
/// The caller keeps the bytes that belong to no unit yet and passes them to ``nextUnit(in:)`` again, followed by the
/// bytes that have arrived since. No byte is scanned twice. The units, joined together, are the stream, byte for byte.
///
/// Line endings may be `\n`, `\r\n` or `\r`, also mixed (WHATWG HTML, "Server-sent events"). An event ends with the
/// first byte that makes its blank line certain. A `\n` that arrives after a final `\r` is therefore a unit of its own.
package struct EventSplitter: Sendable {
    package struct Unit: Hashable, Sendable {
        package enum Kind: Hashable, Sendable {
            /// An event: its lines and the blank line that ends it.
            case event
            /// Bytes between events: a comment line, a blank line, or a byte order mark at the start of the stream.
            case filler
            /// The `\n` of a `\r\n` whose `\r` ended the unit before. Pass or drop it together with that unit.
            case lineFeed
        }

        package let kind: Kind
        /// The length in bytes.
        package let length: Int
        /// The number of an event's lines, without the blank one; 0 for other units.
        package let lines: Int

        init(kind: Kind, length: Int, lines: Int = 0) {
            self.kind = kind
            self.length = length
            self.lines = lines
        }
    }

    /// True until the start of the stream has been checked for a byte order mark.
    private var isAtStart = true
    /// The number of bytes at the front that have been scanned.
    private var scanned = 0
    /// The offset of the current line.
    private var lineStart = 0
    /// The number of complete lines of the event at the front.
    package private(set) var lines = 0
    /// True if the last unit ended with `\r`, so that a `\n` would belong to it.
    private var mayFollowLineFeed = false

    package init() {}

    /// Returns the next complete unit at the front of `bytes`, or nil if more bytes are needed.
    package mutating func nextUnit(in bytes: Span<UInt8>) -> Unit? {
        if isAtStart {
            let length = bytes.matchLength(of: "\u{FEFF}")
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
            var next = end + 1
            let endsWithReturn = bytes[end] == UInt8(ascii: "\r")
            if endsWithReturn && next < bytes.count && bytes[next] == UInt8(ascii: "\n") { next += 1 }
            let isBlank = end == lineStart
            let isComment = !isBlank && bytes[lineStart] == UInt8(ascii: ":")
            if isBlank || (isComment && lines == 0) {
                let unit = Unit(kind: isBlank && lines > 0 ? .event : .filler, length: next, lines: lines)
                scanned = 0
                lineStart = 0
                lines = 0
                mayFollowLineFeed = endsWithReturn && next == end + 1
                return unit
            }
            if endsWithReturn && next == bytes.count && next == end + 1 {
                // A "\n" may follow. Decide when the next byte has arrived.
                return nil
            }
            lines += 1
            scanned = next
            lineStart = next
        }
    }
}
