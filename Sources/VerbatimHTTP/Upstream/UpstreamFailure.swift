import NIOCore
import NIOHTTP1
import NIOPosix
import NIOSSL
import VerbatimPlatform

/// Why the upstream could not be reached or stopped responding.
package struct UpstreamFailure: Error {
    package enum Kind: Sendable {
        /// No connection was established: address, refusal, TLS.
        case unreachable
        case connectTimeout
        /// The connection ended before the response did, or the response was not valid HTTP.
        case disconnected
    }

    package let kind: Kind
    /// For the client and the log. Holds no headers, paths or keys.
    package let message: String
    /// The underlying error, if there is one.
    package let cause: (any Error)?
    /// Whether the connection had served before and ended without a byte of this response: most likely the upstream was
    /// closing it while the request was on its way.
    package var isStale = false

    package init(kind: Kind, message: String, cause: (any Error)? = nil, isStale: Bool = false) {
        self.kind = kind
        self.message = message
        self.cause = cause
        self.isStale = isStale
    }

    static func unreachable(_ error: any Error, at upstream: UpstreamAddress) -> UpstreamFailure {
        if case ChannelError.connectTimeout = error {
            return UpstreamFailure(
                kind: .connectTimeout, message: "connecting to \(upstream.authority) timed out", cause: error)
        }
        return UpstreamFailure(
            kind: .unreachable, message: "cannot reach the upstream at \(upstream.authority): \(describe(error))",
            cause: error)
    }

    static func disconnected(_ error: (any Error)?, isStale: Bool) -> UpstreamFailure {
        let reason = error.map { ": \(describe($0))" } ?? ""
        return UpstreamFailure(
            kind: .disconnected, message: "the upstream closed the connection early\(reason)", cause: error,
            isStale: isStale)
    }

    static func describe(_ error: any Error) -> String {
        switch error {
        case let error as NIOConnectionError:
            if let attempt = error.connectionErrors.first { return describe(attempt.error) }
            return NetworkErrorText.describe(error)
        case let problem as CertificateProblem:
            return "TLS: \(problem.rawValue)"
        case NIOSSLError.uncleanShutdown:
            return "TLS: it ended without close_notify, so that the reply may be cut off"
        case is NIOSSLError, is BoringSSLError:
            return describeTLS("\(error)")
        case let error as NIOSSLExtraError:
            return "TLS: \(error.description)"
        case let error as HTTPParserError:
            return "malformed HTTP response (\(error))"
        case let error as ResponseRules.Fault:
            return error.description
        default:
            return NetworkErrorText.describe(error)
        }
    }

    /// Returns the reason within BoringSSL's description, which otherwise names its source files.
    private static func describeTLS(_ description: String) -> String {
        if description.contains(text: "WRONG_VERSION_NUMBER") { return "TLS: the other side does not use TLS" }
        guard let marker = description.firstRange(ofText: "OPENSSL_internal:") else {
            return "TLS: the handshake failed"
        }
        let reason = description[marker.upperBound...].prefix { $0 != " " && $0 != "]" }
        return "TLS: the handshake failed (\(reason))"
    }
}
