import VerbatimPlatform

/// Reads a file that grows, and may be missing, renamed, deleted or replaced.
struct TraceFollower: Sendable {
    struct News {
        var turns: [Turn] = []
        var invalidLines: [TraceContents.InvalidLine] = []
        /// Whether reading stopped before the end of the file.
        var mayHaveMore = false
    }

    /// The open file. A class, because an optional of a noncopyable type cannot be borrowed.
    private final class Source: Sendable {
        let file: OpenFile
        init(_ file: consuming OpenFile) { self.file = file }
    }

    private static let maximumMarkLength = 512
    /// The time that the writer has to finish the last line of a replaced file.
    private static let maximumWait = Duration.seconds(1)

    private let reader: TraceReader
    private var source: Source?
    /// The offset of the first unread line, and its number.
    private var offset = 0
    private var lineNumber = 1
    /// The bytes before that offset. If they change, the file was truncated and has grown again.
    private var mark: [UInt8] = []
    /// The status of the file when all of its finished lines had been read.
    private var lastStatus: OpenFile.Status?
    /// The time when another file was first seen at the path.
    private var replacement: ContinuousClock.Instant?

    init(path: String) {
        reader = TraceReader(path: path)
    }

    /// Returns what was appended since the last call, at most one chunk.
    mutating func read() throws(TraceReaderError) -> News {
        guard let source else { return try openFile() ? try read() : News() }
        // Taken before the file is read: what its writer had begun by then will be found by the next read.
        let now = ContinuousClock.now
        let current = OpenFile.status(at: reader.path)
        let status = try self.status(of: source)
        let isReplaced = current.map { !$0.isSameFile(as: status) } ?? false
        let news = status == lastStatus ? News() : try readLines(of: source.file, status)
        if !news.turns.isEmpty || !news.invalidLines.isEmpty || news.mayHaveMore { return news }
        guard isReplaced else {
            replacement = nil
            return news
        }
        guard let since = replacement else {
            replacement = now
            return news
        }
        // The writer may not have finished the line that it was writing when the file was renamed.
        if offset < status.size, now - since < Self.maximumWait { return news }
        self.source = nil
        return try read()
    }

    /// Opens the file at the path. Returns false if there is none.
    private mutating func openFile() throws(TraceReaderError) -> Bool {
        guard let kind = OpenFile.status(at: reader.path)?.kind else { return false }
        if kind != .regular && kind != .directory {
            throw TraceReaderError(.cannotOpen, "cannot follow the trace '\(reader.path)': it is not a regular file")
        }
        do throws(TraceReaderError) {
            source = Source(try reader.open())
        } catch {
            // It may have been removed since the check.
            if OpenFile.status(at: reader.path) != nil { throw error }
            return false
        }
        startOver()
        replacement = nil
        return true
    }

    private func status(of source: Source) throws(TraceReaderError) -> OpenFile.Status {
        do throws(SystemError) {
            return try source.file.status()
        } catch {
            throw TraceReaderError(.cannotRead, "cannot read the trace '\(reader.path)': \(error)", cause: error)
        }
    }

    private mutating func readLines(
        of file: borrowing OpenFile, _ status: OpenFile.Status
    ) throws(TraceReaderError) -> News {
        if status.size < offset { startOver() }
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
