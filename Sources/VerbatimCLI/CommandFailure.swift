import Verbatim
import VerbatimPlatform

/// Why a command cannot do its work: one line for people, and the exit code.
struct CommandFailure: Error {
    let code: Int32
    let message: String

    /// A flag or its value is wrong.
    static func usage(_ message: String) -> CommandFailure { CommandFailure(code: EX_USAGE, message: message) }
}

extension CommandFailure {
    /// A proxy could not be started.
    init(_ error: ProxyError) {
        switch error.reason {
        case .invalidConfiguration: code = EX_USAGE
        case .fileUnavailable: code = EX_NOINPUT
        case .addressUnavailable: code = EX_UNAVAILABLE
        case .traceUnavailable: code = EX_CANTCREAT
        }
        message = error.message
    }
}
