import VerbatimPlatform

/// The reason why records cannot be written at the moment.
struct WriteFailure: Error, Sendable {
    /// In words for the agent. They do not contain the path of the file.
    let reason: String
    let cause: TraceError.Cause?

    init(_ error: SystemError) {
        reason = error.description
        cause = .system(error)
    }

    /// The file was renamed or deleted, and its path cannot be opened.
    init(reopening error: TraceError) {
        let detail =
            switch error.cause {
            case .lockHolder(let id): "another proxy" + (id.map { " (pid \($0))" } ?? "") + " writes to it"
            case .system(let error): error.description
            case nil: "unknown"
            }
        reason = "its file was renamed or deleted and cannot be opened again: \(detail)"
        cause = error.cause
    }
}
