import Trace

/// The turns of a trace, those that are there and those to come. See ``TraceReader/follow(every:onInvalidLine:)``.
public struct TurnUpdates: AsyncSequence, Sendable {
    public typealias Element = Turn
    public typealias Failure = TraceReaderError

    let path: String
    let interval: Duration
    let onInvalidLine: (@Sendable (TraceContents.InvalidLine) -> Void)?

    public func makeAsyncIterator() -> Iterator {
        Iterator(follower: TraceFollower(path: path), interval: interval, onInvalidLine: onInvalidLine)
    }

    public struct Iterator: AsyncIteratorProtocol {
        var follower: TraceFollower
        let interval: Duration
        let onInvalidLine: (@Sendable (TraceContents.InvalidLine) -> Void)?
        /// Turns read and not yet handed out, the next one last.
        private var ready: [Turn] = []

        init(
            follower: TraceFollower,
            interval: Duration,
            onInvalidLine: (@Sendable (TraceContents.InvalidLine) -> Void)?
        ) {
            self.follower = follower
            self.interval = interval
            self.onInvalidLine = onInvalidLine
        }

        public mutating func next() async throws(TraceReaderError) -> Turn? {
            try await next(isolation: nil)
        }

        /// The next turn, as soon as it is there; `nil` when the task is cancelled.
        public mutating func next(
            isolation actor: isolated (any Actor)?
        ) async throws(TraceReaderError) -> Turn? {
            while ready.isEmpty {
                if Task.isCancelled { return nil }
                let news = try follower.read()
                for line in news.invalidLines { onInvalidLine?(line) }
                ready = news.turns.reversed()
                if ready.isEmpty && !news.mayHaveMore {
                    do {
                        try await Task.sleep(for: interval)
                    } catch {
                        return nil
                    }
                }
            }
            return Task.isCancelled ? nil : ready.removeLast()
        }
    }
}

/// Reads on in a file that grows, is replaced, or is not there yet.
struct TraceFollower: Sendable {
    struct News {
        var turns: [Turn] = []
        var invalidLines: [TraceContents.InvalidLine] = []
        /// Whether reading stopped before the end of the file.
        var mayHaveMore = false
    }

    private let reader: TraceReader
    /// Where the first line not yet read starts, and its number.
    private var offset = 0
    private var lineNumber = 1
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
                news.mayHaveMore = true
                return news
            }
        }
        lastStatus = status
        return news
    }

    private mutating func startOver() {
        offset = 0
        lineNumber = 1
        lastStatus = nil
    }
}
