import VerbatimTrace
import VerbatimPlatform

/// Reads on in a file that grows, is renamed, deleted or replaced, or is not there yet.
struct TraceFollower: Sendable {
    struct News {
        var turns: [Turn] = []
        var invalidLines: [TraceContents.InvalidLine] = []
        /// Whether reading stopped before the end of the file.
        var mayHaveMore = false
    }

    /// The file that is being read, and how far.
    private final class Source: Sendable {
        let file: OpenFile
        init(_ file: consuming OpenFile) { self.file = file }
    }

    private static let maximumMarkLength = 512
    /// How long the line that a replaced file ends with may take to be finished.
    private static let patience = Duration.seconds(1)

    private let reader: TraceReader
    private var source: Source?
    /// Where the first line not yet read starts, and its number.
    private var offset = 0
    private var lineNumber = 1
    /// What stands before that, to know by whether the file was cut off and has grown again.
    private var mark: [UInt8] = []
    /// The file as it was when all of its finished lines had been read.
    private var lastStatus: OpenFile.Status?
    /// Since when another file has been standing at the path.
    private var replacement: ContinuousClock.Instant?

    init(path: String) {
        reader = TraceReader(path: path)
    }

    /// What has been appended since, in pieces of bounded size.
    mutating func read() throws(TraceReaderError) -> News {
        guard let source else { return try openFile() ? try read() : News() }
        // Before the file is read: what its writer had begun by then is in it the next time it is read.
        let now = ContinuousClock.now
        let standing = OpenFile.status(at: reader.path)
        let status = try self.status(of: source)
        let isReplaced = standing.map { !$0.isSameFile(as: status) } ?? false
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
        // The line being written when the file was renamed may still be on its way.
        if offset < status.size, now - since < Self.patience { return news }
        self.source = nil
        return try read()
    }

    /// Begins with the file that stands at the path; false if there is none.
    private mutating func openFile() throws(TraceReaderError) -> Bool {
        guard let kind = OpenFile.status(at: reader.path)?.kind else { return false }
        if kind != .regular && kind != .directory {
            throw TraceReaderError(.cannotOpen, "cannot follow the trace '\(reader.path)': it is no regular file")
        }
        do throws(TraceReaderError) {
            source = Source(try reader.open())
        } catch {
            // Removed since it was looked at?
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
            throw TraceReaderError(.cannotRead, "cannot read the trace '\(reader.path)': \(error)")
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
