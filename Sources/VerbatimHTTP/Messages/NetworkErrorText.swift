import NIOCore
import NIOPosix
import VerbatimPlatform

/// Describes errors of sockets and name resolution for people.
enum NetworkErrorText {
    static func describe(_ error: any Error) -> String {
        switch error {
        case let error as NIOConnectionError:
            if let attempt = error.connectionErrors.first { return describe(attempt.error) }
            if error.dnsAError != nil || error.dnsAAAAError != nil { return "its name cannot be resolved" }
            return "no address accepted a connection"
        case is SocketAddressError.UnknownHost: return "its name cannot be resolved"
        case let error as IOError: return String(cString: strerror(error.errnoCode))
        case ChannelError.connectTimeout: return "timed out"
        default: return "\(error)"
        }
    }
}
