import Verbatim
import VerbatimPlatform

/// The lines of a trace that are no records.
struct InvalidLines {
    private var count = 0
    private var first: TraceContents.InvalidLine?

    mutating func note(_ line: TraceContents.InvalidLine) {
        count += 1
        first = first ?? line
    }

    /// What the command ends with if there are any.
    func failure(of path: String) -> CommandFailure? {
        guard let first else { return nil }
        return CommandFailure(
            code: EX_DATAERR,
            message: "\(counted(count, "line")) of '\(path)' \(count == 1 ? "is no record" : "are no records"): "
                + "line \(first.number): \(first.reason)"
        )
    }
}
