/// The reason why a trace, or a record of it, cannot be read.
public struct TraceReaderError: Error, Sendable {
    /// What failed. Later versions may add codes.
    public struct Code: RawRepresentable, Hashable, Sendable {
        public let rawValue: String

        public init(rawValue: String) { self.rawValue = rawValue }

        /// The file exists but cannot be opened, or cannot be a trace.
        public static let cannotOpen = Code(rawValue: "cannot_open")
        /// The file system failed while the file was read.
        public static let cannotRead = Code(rawValue: "cannot_read")
        /// A line is not a record of a turn.
        public static let invalidRecord = Code(rawValue: "invalid_record")
    }

    public let code: Code

    /// What happened, for the user.
    public let message: String

    /// The error that caused this one: of the operating system, or of the JSON parser.
    public let cause: (any Error)?

    package init(_ code: Code, _ message: String, cause: (any Error)? = nil) {
        self.code = code
        self.message = message
        self.cause = cause
    }
}

extension TraceReaderError: CustomStringConvertible {
    public var description: String { message }
}
