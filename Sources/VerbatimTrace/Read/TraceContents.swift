/// The contents of a trace at the time it was read.
public struct TraceContents: Sendable {
    /// An unfinished line at the end, left by a crash or being written.
    public struct TornTail: Hashable, Sendable {
        /// Its offset in the file, in bytes.
        public let offset: Int
        public let byteCount: Int
    }

    /// A line that is not a record of a turn.
    public struct InvalidLine: Error, Hashable, Sendable {
        /// 1, 2, …
        public let number: Int
        public let reason: String
    }

    /// The turns in the order of their lines. Turns that overlapped are in the order in which they ended.
    public let turns: [Turn]
    public let tornTail: TornTail?
    public let invalidLines: [InvalidLine]

    init(turns: [Turn], tornTail: TornTail? = nil, invalidLines: [InvalidLine] = []) {
        self.turns = turns
        self.tornTail = tornTail
        self.invalidLines = invalidLines
    }
}
