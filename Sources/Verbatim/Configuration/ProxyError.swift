/// Why a proxy could not be started, or could not open its trace anew.
public struct ProxyError: Error, Sendable {
    /// What went wrong. Codes may be added in later versions.
    public struct Code: Hashable, Sendable, CustomStringConvertible {
        public let description: String

        /// A setting has a value that it must not have.
        public static let invalidConfiguration = Code(description: "invalid_configuration")
        /// A file that a setting names cannot be read.
        public static let fileUnavailable = Code(description: "file_unavailable")
        /// The trace cannot be written, or another proxy writes to it.
        public static let traceUnavailable = Code(description: "trace_unavailable")
        /// The proxy cannot listen on the address.
        public static let addressUnavailable = Code(description: "address_unavailable")
        /// The proxy was started before.
        public static let alreadyStarted = Code(description: "already_started")
    }

    /// Where it went wrong. Sides may be added in later versions.
    public struct Side: Hashable, Sendable, CustomStringConvertible {
        public let description: String

        /// The settings, the files that they name, or the use of the library.
        public static let configuration = Side(description: "configuration")
        /// The side that agents connect to.
        public static let agent = Side(description: "agent")
        /// The trace's file.
        public static let trace = Side(description: "trace")
    }

    public let code: Code
    public let side: Side
    /// What is wrong and what to do about it, in one line.
    public let message: String
    /// The error that this one is about, if another part reported it.
    public let cause: (any Error)?

    init(_ code: Code, side: Side = .configuration, _ message: String, cause: (any Error)? = nil) {
        self.code = code
        self.side = side
        self.message = message
        self.cause = cause
    }
}

extension ProxyError: CustomStringConvertible {
    public var description: String { message }
}
