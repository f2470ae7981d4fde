/// An event of the trace for the operator's log.
package enum TraceEvent: Sendable {
    /// An unfinished last line was moved to its own file.
    case tornTailSetAside(path: String, bytes: Int)
    /// The last line lacked only its line break, which was added.
    case lineBreakAdded(path: String)
    /// The file system does not support locks: a second proxy on the same file would go unnoticed.
    case lockUnavailable(path: String, reason: String)
    /// The file was renamed, deleted or replaced, and the recorder continues in the one now at the path.
    case reopened(path: String)
    /// Records cannot be written. Logged once until ``writeResumed(recorded:)``.
    case writeFailed(reason: String, pending: Int)
    /// All pending records are written.
    case writeResumed(recorded: Int)
    /// The recorder was closed while records could not be written.
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
        case .writeFailed: "cannot write the trace: captured routes respond with 503 until it can be written"
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
