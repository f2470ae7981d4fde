import VerbatimJSON
import NIOCore
import NIOHTTP1
import NIOPosix
import NIOSSL
import VerbatimPlatform

/// Why the engine could not be reached or stopped answering.
struct UpstreamFailure: Error {
    enum Kind {
        /// No connection came about: address, refusal, TLS.
        case unreachable
        case connectTimeout
        /// The connection ended before the reply did, or what came was not HTTP.
        case disconnected
    }

    let kind: Kind
    /// For the agent and the log; holds no headers, paths or keys.
    let message: String
    /// Whether the connection had served before and ended without a byte of this reply: most likely the engine was
    /// closing it while the request was on its way.
    var isStale = false

    static func unreachable(_ error: any Error, at upstream: UpstreamURL) -> UpstreamFailure {
        if case ChannelError.connectTimeout = error {
            return UpstreamFailure(kind: .connectTimeout, message: "connecting to \(upstream.authority) timed out")
        }
        return UpstreamFailure(
            kind: .unreachable, message: "cannot reach the engine at \(upstream.authority): \(describe(error))")
    }

    static func disconnected(_ error: (any Error)?, isStale: Bool) -> UpstreamFailure {
        let reason = error.map { ": \(describe($0))" } ?? ""
        return UpstreamFailure(
            kind: .disconnected, message: "the engine closed the connection early\(reason)", isStale: isStale)
    }

    static func describe(_ error: any Error) -> String {
        switch error {
        case let error as NIOConnectionError:
            if let attempt = error.connectionErrors.first { return describe(attempt.error) }
            if error.dnsAError != nil || error.dnsAAAAError != nil { return "its name cannot be resolved" }
            return "no address answered"
        case is SocketAddressError.UnknownHost:
            return "its name cannot be resolved"
        case let error as IOError:
            return String(cString: strerror(error.errnoCode))
        case let problem as CertificateProblem:
            return "TLS: \(problem.rawValue)"
        case is NIOSSLError, is BoringSSLError:
            return describeTLS("\(error)")
        case let error as NIOSSLExtraError:
            return "TLS: \(error.description)"
        case let error as HTTPParserError:
            return "it sent what is not HTTP (\(error))"
        case let error as ResponseRules.Fault:
            return error.description
        case ChannelError.connectTimeout:
            return "timed out"
        default:
            return "\(error)"
        }
    }

    /// The reason within BoringSSL's description, which otherwise tells where it was compiled.
    private static func describeTLS(_ description: String) -> String {
        if description.contains(text: "WRONG_VERSION_NUMBER") { return "TLS: it does not speak TLS" }
        guard let marker = description.firstRange(ofText: "OPENSSL_internal:") else {
            return "TLS: the handshake failed"
        }
        let reason = description[marker.upperBound...].prefix { $0 != " " && $0 != "]" }
        return "TLS: the handshake failed (\(reason))"
    }
}
