/// Why a trace cannot be kept.
package struct TraceError: Error, Sendable {
    package enum Code: Hashable, Sendable {
        /// Another proxy writes to the file.
        case locked
        case cannotOpen
        case cannotWrite
    }

    package let code: Code
    /// What happened and what to do about it, for the user.
    package let message: String
    /// The operating system's error number, if it gave one.
    package let errno: Int32?

    package init(_ code: Code, message: String, errno: Int32? = nil) {
        self.code = code
        self.message = message
        self.errno = errno
    }
}

extension TraceError: CustomStringConvertible {
    package var description: String { message }
}
