/// Counters of the load tool's scripted engine.
struct EngineCounters: Sendable {
    var connections = 0
    /// Requests that arrived completely.
    var requests = 0
    /// Replies that were sent completely, including errors.
    var completed = 0
    /// Replies that the engine cut off because the request asked for it.
    var broken = 0
    /// Replies whose client disconnected before the end.
    var left = 0
    /// Requests that did not come from this tool's client.
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
