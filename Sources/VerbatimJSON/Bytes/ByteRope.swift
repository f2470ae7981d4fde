/// A byte string that grows at the end, in pieces. A rope that becomes part of another shares its pieces; they are not
/// copied.
///
/// When the last piece is full, it gets room for a sixteenth of the whole rope: at least 256 bytes and at most 16 KB. A
/// small piece is moved to get more room, because many small pieces would waste memory. A piece of 2 KB or more is not
/// moved; a new piece begins.
package struct ByteRope: Sendable {
    private static let smallestRoom = 256
    private static let largestRoom = 16 << 10
    private static let largestMoved = 2 << 10

    private var pieces: [[UInt8]] = []
    private var last: [UInt8] = []
    package private(set) var count = 0

    package init() {}

    package init(_ bytes: [UInt8]) {
        if !bytes.isEmpty { pieces = [bytes] }
        count = bytes.count
    }

    package var isEmpty: Bool { count == 0 }

    // MARK: Growing

    package mutating func append(_ byte: UInt8) {
        makeRoom(for: 1)
        last.append(byte)
        count += 1
    }

    package mutating func append(copying text: Span<UInt8>, _ range: Range<Int>) {
        makeRoom(for: range.count)
        last.append(copying: text, range)
        count += range.count
    }

    package mutating func append(_ bytes: [UInt8]) { append(copying: bytes.span, bytes.indices) }

    package mutating func append(_ text: StaticString) {
        makeRoom(for: text.utf8CodeUnitCount)
        text.withUTF8Buffer { last.append(contentsOf: $0) }
        count += text.utf8CodeUnitCount
    }

    /// Lets `write` append to the last piece. `length` is about how many bytes it appends; if it appends more, the
    /// piece may double.
    package mutating func append<Result>(about length: Int, _ write: (inout [UInt8]) -> Result) -> Result {
        makeRoom(for: length)
        let start = last.count
        defer { count += last.count - start }
        return write(&last)
    }

    /// Appends `other` by sharing its pieces, or by copying if it is short or fits in the room that is left. So the
    /// unused room of a piece is always less than the length of the next.
    package mutating func append(_ other: ByteRope) {
        if other.count < Self.smallestRoom || other.count <= last.capacity - last.count {
            for piece in other.pieces { append(piece) }
            append(other.last)
            return
        }
        seal()
        pieces.append(contentsOf: other.pieces)
        last = other.last
        seal()
        count += other.count
    }

    @inline(__always)
    private mutating func makeRoom(for length: Int) {
        if last.capacity - last.count < length { makeNewRoom(for: length) }
    }

    private mutating func makeNewRoom(for length: Int) {
        let room = min(max(count / 16, Self.smallestRoom), Self.largestRoom)
        if last.count >= Self.largestMoved { seal() }
        last.reserveCapacity(last.count + max(length, room))
    }

    private mutating func seal() {
        if !last.isEmpty { pieces.append(last) }
        last = []
    }

    // MARK: Reading

    package func forEachPiece(_ body: (borrowing [UInt8]) -> Void) {
        for piece in pieces { body(piece) }
        if !last.isEmpty { body(last) }
    }

    /// All bytes in one array.
    package var bytes: [UInt8] {
        if pieces.isEmpty { return last }
        if pieces.count == 1 && last.isEmpty { return pieces[0] }
        var bytes: [UInt8] = []
        bytes.reserveCapacity(count)
        forEachPiece { bytes.append(contentsOf: $0) }
        return bytes
    }
}

extension [UInt8] {
    package mutating func append(_ rope: ByteRope) { rope.forEachPiece { append(contentsOf: $0) } }
}

extension ByteRope: Equatable {
    package static func == (left: ByteRope, right: ByteRope) -> Bool {
        left.count == right.count && left.bytes == right.bytes
    }
}
