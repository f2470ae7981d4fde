/// How an exchange ended: the field `outcome` of its record.
///
/// A record of a later version may hold other values. They are kept as they are; see ``isKnown``.
public struct TurnOutcome: RawRepresentable, Hashable, Sendable {
    /// The value in the trace.
    public let rawValue: String

    public init(rawValue: String) { self.rawValue = rawValue }

    /// The engine's reply was complete.
    public static let completed = TurnOutcome(rawValue: "completed")
    /// The engine replied with an error or could not be reached.
    public static let upstreamError = TurnOutcome(rawValue: "upstream_error")
    /// The engine closed the connection before the end of its reply.
    public static let upstreamDisconnected = TurnOutcome(rawValue: "upstream_disconnected")
    /// The agent closed the connection before the end of the reply.
    public static let clientDisconnected = TurnOutcome(rawValue: "client_disconnected")
    /// The engine did not reply, or did not go on with its reply, within a time limit.
    public static let timeout = TurnOutcome(rawValue: "timeout")
    /// The proxy was stopped before the end of the reply.
    public static let shutdown = TurnOutcome(rawValue: "shutdown")
    /// The proxy refused the turn, because it could not have captured what `--require-capture` demands.
    public static let refused = TurnOutcome(rawValue: "refused")
    /// The proxy ended the turn, because the budget of its session was used up.
    public static let budget = TurnOutcome(rawValue: "budget")

    /// All outcomes that this version writes.
    public static let all: [TurnOutcome] = [
        .completed, .upstreamError, .upstreamDisconnected, .clientDisconnected, .timeout, .shutdown, .refused, .budget,
    ]

    /// Whether this version writes the outcome.
    public var isKnown: Bool { Self.all.contains(self) }
}

extension TurnOutcome: CustomStringConvertible {
    public var description: String { rawValue }
}
