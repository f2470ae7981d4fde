/// Why a proxy could not be started.
public struct ProxyError: Error, Hashable, Sendable {
    /// What stands in the way.
    public enum Reason: Hashable, Sendable {
        /// A setting has a value it cannot have.
        case invalidConfiguration
        /// A file that a setting names cannot be read.
        case fileUnavailable
        /// The trace cannot be written, or another proxy writes to it.
        case traceUnavailable
        /// The address cannot be listened on.
        case addressUnavailable
    }

    public let reason: Reason
    /// What is wrong and what to do about it.
    public let message: String

    init(_ reason: Reason, _ message: String) {
        self.reason = reason
        self.message = message
    }
}

extension ProxyError: CustomStringConvertible {
    public var description: String { message }
}
