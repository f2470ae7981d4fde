import VerbatimPlatform

/// Why a trace cannot be kept.
package struct TraceError: Error, Sendable {
    package enum Code: Hashable, Sendable {
        /// Another proxy, with this process id if it is known, writes to the file.
        case locked(by: Int32?)
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

/// Why records cannot be written just now.
struct WriteFailure: Error, Sendable {
    /// Without the file's path: agents are told as well.
    let reason: String
    /// The operating system's error number, if it gave one.
    let errno: Int32?

    init(_ error: SystemError) {
        reason = error.description
        errno = error.code
    }

    /// The file was renamed or deleted, and its path cannot be opened.
    init(reopening error: TraceError) {
        let cause =
            switch error.code {
            case .locked(let holder): "another proxy" + (holder.map { " (pid \($0))" } ?? "") + " writes to it"
            case .cannotOpen, .cannotWrite: error.errno.map { SystemError($0).description } ?? "unknown"
            }
        reason = "its file was renamed or deleted and cannot be opened again: \(cause)"
        errno = error.errno
    }
}
