/// What a trace held when it was read.
public struct TraceContents: Sendable {
    /// An unfinished line at the end, left by a crash or being written just now.
    public struct TornTail: Hashable, Sendable {
        /// Where it starts in the file.
        public let offset: Int
        public let byteCount: Int
    }

    /// A line that is no record of a turn.
    public struct InvalidLine: Error, Hashable, Sendable {
        /// 1, 2, …
        public let number: Int
        public let reason: String
    }

    /// In the order of their lines: turns that overlapped stand in the order in which they ended.
    public let turns: [Turn]
    public let tornTail: TornTail?
    public let invalidLines: [InvalidLine]

    init(turns: [Turn], tornTail: TornTail? = nil, invalidLines: [InvalidLine] = []) {
        self.turns = turns
        self.tornTail = tornTail
        self.invalidLines = invalidLines
    }
}
