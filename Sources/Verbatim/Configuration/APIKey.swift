/// A key that authorizes agents.
public struct APIKey: Hashable, Sendable {
    public let key: String
    /// The session that every turn with this key belongs to; nil if the agent may name any.
    public let session: String?

    public init(_ key: String, session: String? = nil) {
        self.key = key
        self.session = session
    }
}

extension APIKey: CustomStringConvertible {
    /// Omits the key, so that it cannot appear in a log.
    public var description: String { session.map { "a key of session \($0)" } ?? "a key" }
}
