import Verbatim
import VerbatimPlatform

/// Why a command fails: a message of one line, and the exit code.
struct CommandFailure: Error {
    let code: Int32
    let message: String

    /// A flag or its value is wrong.
    static func usage(_ message: String) -> CommandFailure { CommandFailure(code: EX_USAGE, message: message) }
}

extension CommandFailure {
    init(_ error: ProxyError) {
        code =
            switch error.code {
            case .invalidConfiguration: EX_USAGE
            case .fileUnavailable: EX_NOINPUT
            case .addressUnavailable: EX_UNAVAILABLE
            case .traceUnavailable: EX_CANTCREAT
            default: EX_SOFTWARE
            }
        message = error.message
    }

    init(_ error: TraceReaderError) {
        code = error.code == .invalidRecord ? EX_DATAERR : EX_NOINPUT
        message = error.message
    }
}

extension CommandFailure {
    /// Prints all but the last of several failures, and throws that.
    static func throwLast(of failures: [CommandFailure]) throws(CommandFailure) {
        for failure in failures.dropLast() { StandardError.print("error: \(failure.message)") }
        if let failure = failures.last { throw failure }
    }
}
