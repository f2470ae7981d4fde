package import VerbatimPlatform

/// Splits a file into lines while it is read. Holds at most one line and one chunk.
package struct LineBuffer: Sendable {
    /// The number of bytes read at once.
    static let chunkSize = 256 * 1024
    /// Longer lines are skipped: no record is that long.
    package static let maximumLineLength = 1 << 30

    package struct Line: Hashable, Sendable {
        /// 1, 2, …
        package let number: Int
        /// Its offset in the file.
        package let offset: Int
        /// Its range in ``LineBuffer/bytes``, without the line break. Valid until the next chunk is read.
        package let range: Range<Int>
        /// Why the line was skipped, so that `range` is empty; nil for most lines.
        package let omission: Omission?
    }

    /// Why a line was skipped and is not in memory.
    package enum Omission: Hashable, Sendable {
        case isTooLong
        /// It is long and does not start like a JSON object.
        case isNoObject
    }

    /// Longer lines are skipped if they do not start like a JSON object.
    private static let maximumForeignLength = 16 << 20

    package private(set) var bytes: [UInt8] = []
    private var lineStart = 0
    /// There is no line break between `lineStart` and this index.
    private var scanned = 0
    private var lineNumber: Int
    /// The offset in the file of the current line, and of the next chunk.
    private var lineOffset: Int
    private var readOffset: Int
    private var omission: Omission?
    private let maximumLineLength: Int

    /// Starts reading at `offset`, the start of the line `number`.
    package init(at offset: Int = 0, line number: Int = 1, maximumLineLength: Int = Self.maximumLineLength) {
        lineOffset = offset
        readOffset = offset
        lineNumber = number
        self.maximumLineLength = maximumLineLength
    }

    /// The offset and length of the bytes after the last line break.
    package var tail: (offset: Int, length: Int) { (lineOffset, readOffset - lineOffset) }

    /// The number of the line that the tail belongs to.
    package var nextLineNumber: Int { lineNumber }

    /// The range of the tail in ``bytes``; nil if it was skipped.
    package var tailRange: Range<Int>? { omission == nil ? lineStart..<bytes.count : nil }

    /// Returns the next line, or nil if it has not been read completely.
    package mutating func nextLine() -> Line? {
        guard let end = nextLineBreak() else {
            scanned = bytes.count
            return nil
        }
        let line = Line(
            number: lineNumber,
            offset: lineOffset,
            range: omission == nil ? lineStart..<end : end..<end,
            omission: omission
        )
        lineStart = end + 1
        scanned = lineStart
        lineOffset = readOffset - (bytes.count - lineStart)
        lineNumber += 1
        omission = nil
        return line
    }

    /// Reads the next chunk. Returns false at the end of the file.
    package mutating func fill(from file: borrowing OpenFile) throws(SystemError) -> Bool {
        bytes.removeFirst(lineStart)
        scanned -= lineStart
        lineStart = 0
        omission = omission ?? omissionOfTail
        if omission != nil {
            bytes.removeAll()
            scanned = 0
        }
        let count = try file.read(upTo: Self.chunkSize, at: readOffset, into: &bytes)
        readOffset += count
        return count > 0
    }

    private var omissionOfTail: Omission? {
        if bytes.count > maximumLineLength { return .isTooLong }
        if bytes.count <= Self.maximumForeignLength { return nil }
        let blanks: [UInt8] = [UInt8(ascii: " "), UInt8(ascii: "\t"), UInt8(ascii: "\r")]
        let first = bytes.prefix(4096).first { !blanks.contains($0) }
        return first == UInt8(ascii: "{") ? nil : .isNoObject
    }

    private func nextLineBreak() -> Int? {
        bytes.firstOffset(of: UInt8(ascii: "\n"), from: scanned)
    }
}
