/// Something the operator should read about the trace.
package enum LogEvent: Sendable {
    /// An unfinished last line was moved to a file of its own.
    case tornTailSetAside(path: String, bytes: Int)
    /// The last line was whole but for its line break, which was added.
    case lineBreakAdded(path: String)
    /// The file system knows no locks: a second proxy on the same file would not be noticed.
    case lockUnavailable(path: String, reason: String)
    /// The file was renamed, deleted or replaced, and another one stands at its path now.
    case reopened(path: String)
    /// Records cannot be written. Told once, until ``writeResumed(recorded:)``.
    case writeFailed(reason: String, pending: Int)
    /// All that was pending is written.
    case writeResumed(recorded: Int)
    /// The recorder was closed with records that could never be written.
    case recordsLost(count: Int)

    package enum Level: Sendable {
        case info, warning, error
    }

    package var level: Level {
        switch self {
        case .lineBreakAdded, .reopened, .writeResumed: .info
        case .tornTailSetAside, .lockUnavailable: .warning
        case .writeFailed, .recordsLost: .error
        }
    }

    package var message: StaticString {
        switch self {
        case .tornTailSetAside: "set aside an unfinished line at the end of the trace"
        case .lineBreakAdded: "added the line break missing at the end of the trace"
        case .lockUnavailable: "cannot lock the trace: make sure that no other proxy writes to it"
        case .reopened: "reopened the trace"
        case .writeFailed: "cannot write the trace: captured routes answer 503 until it can be written"
        case .writeResumed: "the trace can be written again"
        case .recordsLost: "records were lost: the trace could not be written"
        }
    }

    package var metadata: [(key: String, value: String)] {
        switch self {
        case .tornTailSetAside(let path, let bytes): [("path", path), ("bytes", String(bytes))]
        case .lineBreakAdded(let path): [("path", path)]
        case .lockUnavailable(let path, let reason): [("path", path), ("reason", reason)]
        case .reopened(let path): [("path", path)]
        case .writeFailed(let reason, let pending): [("reason", reason), ("pending", String(pending))]
        case .writeResumed(let recorded): [("recorded", String(recorded))]
        case .recordsLost(let count): [("count", String(count))]
        }
    }
}
