/// What was captured of a turn: the field `capture.level` of its record.
///
/// A record of a later version may hold other values. They are kept as they are; see ``isKnown``.
public struct CaptureLevel: RawRepresentable, Hashable, Sendable {
    /// The value in the trace.
    public let rawValue: String

    public init(rawValue: String) { self.rawValue = rawValue }

    /// Token ids and log-probabilities.
    public static let tokens = CaptureLevel(rawValue: "tokens")
    /// Log-probabilities without token ids.
    public static let logprobs = CaptureLevel(rawValue: "logprobs")
    /// Token ids without log-probabilities.
    public static let ids = CaptureLevel(rawValue: "ids")
    /// Text without token data.
    public static let text = CaptureLevel(rawValue: "text")
    /// Nothing.
    public static let none = CaptureLevel(rawValue: "none")

    /// All levels that this version writes.
    public static let all: [CaptureLevel] = [.tokens, .logprobs, .ids, .text, .none]

    /// Whether this version writes the level.
    public var isKnown: Bool { Self.all.contains(self) }
}

extension CaptureLevel: CustomStringConvertible {
    public var description: String { rawValue }
}
