import Trace

/// Reads on in a file that grows, is replaced, or is not there yet.
struct TraceFollower: Sendable {
    struct News {
        var turns: [Turn] = []
        var invalidLines: [TraceContents.InvalidLine] = []
        /// Whether reading stopped before the end of the file.
        var mayHaveMore = false
    }

    private static let maximumMarkLength = 512

    private let reader: TraceReader
    /// Where the first line not yet read starts, and its number.
    private var offset = 0
    private var lineNumber = 1
    /// What stands before that, to know the file again by.
    private var mark: [UInt8] = []
    /// The file as it was when all of its finished lines had been read.
    private var lastStatus: OpenFile.Status?

    init(path: String) {
        reader = TraceReader(path: path)
    }

    /// What has been appended since, in pieces of bounded size.
    mutating func read() throws(TraceReaderError) -> News {
        guard let status = OpenFile.status(at: reader.path) else {
            startOver()
            return News()
        }
        if status == lastStatus { return News() }
        let isReplaced = lastStatus.map { !$0.isSameFile(as: status) } ?? false
        if isReplaced || status.size < offset { startOver() }
        do throws(TraceReaderError) {
            return try readLines(of: reader.open(), status)
        } catch {
            // Removed since it was looked at?
            if OpenFile.status(at: reader.path) != nil { throw error }
            return News()
        }
    }

    private mutating func readLines(
        of file: consuming OpenFile, _ status: OpenFile.Status
    ) throws(TraceReaderError) -> News {
        // The file system may give a new file the place of the old one.
        if try markBefore(offset, in: file) != mark { startOver() }
        var news = News()
        var buffer = LineBuffer(at: offset, line: lineNumber)
        while try reader.fill(&buffer, from: file) {
            while let line = buffer.nextLine() {
                lineNumber = line.number + 1
                switch buffer.turn(in: line) {
                case .success(let turn)?: news.turns.append(turn)
                case .failure(let invalid)?: news.invalidLines.append(invalid)
                case nil: break
                }
            }
            if buffer.tail.offset > offset {
                offset = buffer.tail.offset
                mark = try markBefore(offset, in: file)
                news.mayHaveMore = true
                return news
            }
        }
        lastStatus = status
        return news
    }

    private func markBefore(_ offset: Int, in file: borrowing OpenFile) throws(TraceReaderError) -> [UInt8] {
        let length = min(offset, Self.maximumMarkLength)
        return try reader.bytes(offset - length..<offset, of: file)
    }

    private mutating func startOver() {
        offset = 0
        mark = []
        lineNumber = 1
        lastStatus = nil
    }
}
