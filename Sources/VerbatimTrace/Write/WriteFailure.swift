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

    /// Whether other files in the same folder can probably not be written either: the disk is full or fails. If not, it
    /// is this file that is in the way.
    var concernsFolder: Bool {
        guard case .system(let error) = cause else { return false }
        return !error.concernsOneFile
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

    /// The file had been closed to rest.
    init(opening error: TraceError) {
        reason = error.reason
        cause = error.cause
    }
}
