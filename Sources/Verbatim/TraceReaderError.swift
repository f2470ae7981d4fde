/// Why a trace, or a record of it, cannot be read.
public struct TraceReaderError: Error, Hashable, Sendable {
    public enum Code: Hashable, Sendable {
        /// The file is there but cannot be opened.
        case cannotOpen
        /// The file system failed while the file was read.
        case cannotRead
        /// A line is no record of a turn.
        case invalidRecord
    }

    public let code: Code

    /// What happened, for the user.
    public let message: String

    package init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }
}

extension TraceReaderError: CustomStringConvertible {
    public var description: String { message }
}
