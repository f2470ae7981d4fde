/// The turns of a trace, existing and future ones. See ``TraceReader/follow(every:onInvalidLine:)``.
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
        /// Turns that were read but not returned yet, in reverse order.
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

        /// Waits for the next turn. Returns nil when the task is cancelled.
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
