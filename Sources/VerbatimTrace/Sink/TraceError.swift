package import VerbatimPlatform

/// The reason why a sink cannot be opened, or cannot persist records.
package struct TraceError: Error, Sendable {
    package struct Code: RawRepresentable, Hashable, Sendable {
        package let rawValue: String

        package init(rawValue: String) { self.rawValue = rawValue }

        /// Another proxy writes to the file.
        package static let locked = Code(rawValue: "locked")
        /// The file cannot be opened, created or read.
        package static let cannotOpen = Code(rawValue: "cannot_open")
        /// Records cannot be written.
        package static let cannotWrite = Code(rawValue: "cannot_write")
        /// The rollout has been deleted.
        package static let removed = Code(rawValue: "removed")
        /// The sink has been closed.
        package static let closed = Code(rawValue: "closed")
    }

    /// What made the operation fail.
    package enum Cause: Hashable, Sendable {
        /// The operating system's error.
        case system(SystemError)
        /// Another process holds the lock of the file. Its id is nil if it is unknown.
        case lockHolder(processID: Int32?)
    }

    package let code: Code
    /// What happened and what to do about it, for the user.
    package let message: String
    /// The same in words for the agent, without any path.
    package let reason: String
    package let cause: Cause?

    /// - Parameter reason: nil stands for the operating system's error, or for the code.
    package init(_ code: Code, message: String, reason: String? = nil, cause: Cause? = nil) {
        self.code = code
        self.message = message
        self.cause = cause
        let systemError: SystemError? = if case .system(let error) = cause { error } else { nil }
        self.reason = reason ?? systemError?.description ?? code.rawValue.replacing(text: "_", with: " ")
    }

    /// The operating system's error, if that is the cause.
    package var systemError: SystemError? { if case .system(let error) = cause { error } else { nil } }
}

extension TraceError: CustomStringConvertible {
    package var description: String { message }
}
