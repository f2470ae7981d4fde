/// Bytes that grow at the end, in pieces that are shared, not copied, when a rope becomes a part of another.
///
/// Room is made for a sixteenth of the whole, for at least 256 bytes and at most 16 KB. Small pieces are moved for it,
/// since many would take more room than they hold; one of 2 KB stays where it is.
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

    /// Lets `write` append to what is there. `length` is how much that will be; if it is more, a piece doubles.
    package mutating func append<Result>(about length: Int, _ write: (inout [UInt8]) -> Result) -> Result {
        makeRoom(for: length)
        let start = last.count
        defer { count += last.count - start }
        return write(&last)
    }

    /// Shares the pieces of `other`, unless there is room for a copy: what is left unused is always less than what comes
    /// behind it.
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

    /// All in one.
    package var bytes: [UInt8] {
        if pieces.isEmpty { return last }
        if pieces.count == 1 && last.isEmpty { return pieces[0] }
        var bytes: [UInt8] = []
        bytes.reserveCapacity(count)
        forEachPiece { bytes.append(contentsOf: $0) }
        return bytes
    }
}

extension ByteRope: Equatable {
    package static func == (left: ByteRope, right: ByteRope) -> Bool {
        left.count == right.count && left.bytes == right.bytes
    }
}
