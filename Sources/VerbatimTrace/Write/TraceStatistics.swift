/// What happened to the records since the recorder was opened.
package struct TraceStatistics: Hashable, Sendable {
    /// Records in the trace, including those written late.
    package internal(set) var recorded = 0
    /// Records that could not be written when their turn ended.
    package internal(set) var failed = 0
    /// Turns that were refused because their records could not have been written.
    package internal(set) var refused = 0
    /// Records that were never written.
    package internal(set) var lost = 0
    /// Records that are waiting now.
    package internal(set) var pending = 0
    /// The memory that they take, in bytes, estimated.
    package internal(set) var pendingBytes = 0
}
