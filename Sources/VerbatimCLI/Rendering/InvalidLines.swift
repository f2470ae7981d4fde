import Verbatim
import VerbatimPlatform

/// Counts the lines of a trace that are not records.
struct InvalidLines {
    private var count = 0
    private var first: TraceContents.InvalidLine?

    mutating func note(_ line: TraceContents.InvalidLine) {
        count += 1
        first = first ?? line
    }

    /// The command's failure if there are any.
    func failure(of path: String) -> CommandFailure? {
        guard let first else { return nil }
        return CommandFailure(
            code: EX_DATAERR,
            message: "\(counted(count, "line")) of '\(path)' \(count == 1 ? "is not a record" : "are not records"): "
                + "line \(first.number): \(first.reason)"
        )
    }
}
