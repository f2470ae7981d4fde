/// Why the sessions API refuses a request. ``code`` is stable; docs/sessions.md lists all.
package struct SessionsError: Error, Hashable, Sendable {
    package enum Kind: Hashable, Sendable {
        /// The request is wrong.
        case invalid
        case notFound
        /// The rollout is in a state that does not allow it.
        case conflict
        /// The rollout is not what the client has read.
        case preconditionFailed
        /// The folder cannot be read or written now.
        case storage
    }

    package let kind: Kind
    package let code: String
    /// What is wrong and what to do about it.
    package let message: String

    package init(_ kind: Kind, code: String, message: String) {
        self.kind = kind
        self.code = code
        self.message = message
    }

    package static func invalid(_ message: String) -> SessionsError {
        SessionsError(.invalid, code: "invalid_request", message: message)
    }

    package static let notFound = SessionsError(
        .notFound, code: "session_not_found", message: "there is no such session; POST /sessions opens one")

    package static func storage(_ reason: String) -> SessionsError {
        SessionsError(
            .storage, code: "storage_unavailable", message: "the folder of sessions cannot be used: \(reason)")
    }
}
