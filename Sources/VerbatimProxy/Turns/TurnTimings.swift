import NIOCore

/// The times that a turn's record states.
struct TurnTimings {
    private var sentAt: NIODeadline
    private var firstOutputAt: NIODeadline?
    private var lastByteAt: NIODeadline

    init(start: NIODeadline) {
        sentAt = start
        lastByteAt = start
    }

    /// An attempt goes to the engine. The times are those of the last one.
    mutating func attemptWasSent(at now: NIODeadline) {
        sentAt = now
        lastByteAt = now
    }

    /// The engine has sent something, or is not waited for any longer.
    mutating func engineWasHeard(at now: NIODeadline) { lastByteAt = now }

    /// The reply has brought output. Only the first call counts.
    mutating func outputWasSeen(at now: NIODeadline) {
        if firstOutputAt == nil { firstOutputAt = now }
    }

    /// Seconds from forwarding to the engine's last byte.
    var latency: Double { Self.seconds(from: sentAt, to: lastByteAt) }

    /// Seconds from forwarding to the first event with output; nil without one.
    var timeToFirstToken: Double? { firstOutputAt.map { Self.seconds(from: sentAt, to: $0) } }

    private static func seconds(from start: NIODeadline, to end: NIODeadline) -> Double {
        Double((end - start).nanoseconds) / 1e9
    }
}
