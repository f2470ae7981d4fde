/// Counts of the scripted engine.
struct EngineCounters: Sendable {
    var connections = 0
    /// Requests that arrived completely.
    var requests = 0
    /// Replies that were sent completely, including errors.
    var completed = 0
    /// Replies that the engine broke off on request.
    var broken = 0
    /// Replies whose peer left before the end.
    var left = 0
    /// Requests that this tool has not made.
    var unknown = 0
    var events = 0

    static func + (one: Self, other: Self) -> Self {
        var sum = one
        sum.connections += other.connections
        sum.requests += other.requests
        sum.completed += other.completed
        sum.broken += other.broken
        sum.left += other.left
        sum.unknown += other.unknown
        sum.events += other.events
        return sum
    }

    var json: String {
        #"{"connections":\#(connections),"requests":\#(requests),"completed":\#(completed),"broken":\#(broken),"#
            + #""left":\#(left),"unknown":\#(unknown),"events":\#(events)}"#
    }
}
