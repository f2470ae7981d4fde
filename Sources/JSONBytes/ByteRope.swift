/// Bytes that grow at the end, in pieces that are never moved and are shared, not copied, when a rope becomes a part of
/// another.
///
/// A new piece has room for a quarter of the whole, for at least 64 bytes and at most 16 KB; one that ``append(_:)`` lets a
/// closure write to may grow as arrays do.
package struct ByteRope: Sendable {
    private static let smallestPiece = 64
    private static let largestPiece = 16 << 10

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

    /// Lets `write` append to what is there.
    package mutating func append<Result>(_ write: (inout [UInt8]) -> Result) -> Result {
        makeRoom(for: 1)
        let length = last.count
        defer { count += last.count - length }
        return write(&last)
    }

    /// Shares the pieces of `other`, unless there is room for a copy: what is left unused is always less than what comes
    /// behind it.
    package mutating func append(_ other: ByteRope) {
        if other.count < Self.smallestPiece || other.count <= last.capacity - last.count {
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
        if last.capacity - last.count < length { startPiece(for: length) }
    }

    private mutating func startPiece(for length: Int) {
        seal()
        last.reserveCapacity(max(length, min(max(count / 4, Self.smallestPiece), Self.largestPiece)))
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
