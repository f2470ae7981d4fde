package import VerbatimPlatform

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
        /// Why it was passed over, and `range` is empty; of most lines `nil`.
        package let omission: Omission?
    }

    /// Why a line is not held in memory.
    package enum Omission: Hashable, Sendable {
        case isTooLong
        /// It is long, and does not begin like a JSON object.
        case isNoObject
    }

    /// Lines longer than this must begin like a JSON object, or they are passed over.
    private static let maximumForeignLength = 16 << 20

    package private(set) var bytes: [UInt8] = []
    private var lineStart = 0
    /// Up to here no line break follows `lineStart`.
    private var scanned = 0
    private var lineNumber: Int
    /// Where the line being read starts in the file, and where the next chunk does.
    private var lineOffset: Int
    private var readOffset: Int
    private var omission: Omission?
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

    /// The number of the line that it is a part of.
    package var nextLineNumber: Int { lineNumber }

    /// Where that stands in ``bytes``; `nil` if it was passed over.
    package var tailRange: Range<Int>? { omission == nil ? lineStart..<bytes.count : nil }

    /// The next line if all of it has been read.
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

    /// Reads on; false at the end of the file.
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
        bytes.withUnsafeBytes { buffer -> Int? in
            guard scanned < buffer.count, let base = buffer.baseAddress,
                let found = memchr(base + scanned, Int32(UInt8(ascii: "\n")), buffer.count - scanned)
            else { return nil }
            return UnsafeRawPointer(found) - base
        }
    }
}
