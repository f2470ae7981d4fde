#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif

/// Cuts a file into lines while it is read, holding no more than one line and one chunk.
package struct LineBuffer: Sendable {
    /// How much is read at once.
    static let chunkSize = 256 * 1024
    /// Longer lines are passed over: no record is that long.
    package static let maximumLineLength = 1 << 30

    package struct Line: Hashable, Sendable {
        /// 1, 2, …
        package let number: Int
        /// Where it starts in the file.
        package let offset: Int
        /// Where it stands in ``LineBuffer/bytes``, without its line break, until the next chunk is read.
        package let range: Range<Int>
        /// Whether it was passed over, and `range` is empty.
        package let isTooLong: Bool
    }

    package private(set) var bytes: [UInt8] = []
    private var lineStart = 0
    /// Up to here no line break follows `lineStart`.
    private var scanned = 0
    private var lineNumber: Int
    /// Where the line being read starts in the file, and where the next chunk does.
    private var lineOffset: Int
    private var readOffset: Int
    private var isSkipping = false
    private let maximumLineLength: Int

    /// Starts at `offset`, where the line `number` starts.
    package init(at offset: Int = 0, line number: Int = 1, maximumLineLength: Int = Self.maximumLineLength) {
        lineOffset = offset
        readOffset = offset
        lineNumber = number
        self.maximumLineLength = maximumLineLength
    }

    /// Where what stands behind the last line break starts, and its length.
    package var tail: (offset: Int, length: Int) { (lineOffset, readOffset - lineOffset) }

    /// Where that stands in ``bytes``; `nil` if it was passed over.
    package var tailRange: Range<Int>? { isSkipping ? nil : lineStart..<bytes.count }

    /// The next line if all of it has been read.
    package mutating func nextLine() -> Line? {
        guard let end = nextLineBreak() else {
            scanned = bytes.count
            return nil
        }
        let line = Line(
            number: lineNumber,
            offset: lineOffset,
            range: isSkipping ? end..<end : lineStart..<end,
            isTooLong: isSkipping
        )
        lineStart = end + 1
        scanned = lineStart
        lineOffset = readOffset - (bytes.count - lineStart)
        lineNumber += 1
        isSkipping = false
        return line
    }

    /// Reads on; false at the end of the file.
    package mutating func fill(from file: borrowing OpenFile) throws(SystemError) -> Bool {
        bytes.removeFirst(lineStart)
        scanned -= lineStart
        lineStart = 0
        if bytes.count > maximumLineLength { isSkipping = true }
        if isSkipping {
            bytes.removeAll()
            scanned = 0
        }
        let count = try file.read(upTo: Self.chunkSize, at: readOffset, into: &bytes)
        readOffset += count
        return count > 0
    }

    private func nextLineBreak() -> Int? {
        bytes.withUnsafeBytes { buffer -> Int? in
            guard scanned < buffer.count, let base = buffer.baseAddress,
                let found = memchr(base + scanned, Int32(UInt8(ascii: "\n")), buffer.count - scanned)
            else { return nil }
            return UnsafeRawPointer(found) - base
        }
    }
}
