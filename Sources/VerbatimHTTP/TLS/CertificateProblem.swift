import NIOCore
import NIOSSL
import VerbatimPlatform

/// Why the upstream's certificate is rejected. The TLS library only says that it is.
enum CertificateProblem: String, Error {
    case expired = "its certificate has expired"
    case notYetValid = "its certificate is not valid yet"
    case untrusted = "its certificate is self-signed or of an unknown issuer (--upstream-ca names one to trust)"
    case otherHost = "its certificate is for another host"

    /// - Returns: `nil` if the error is about something else.
    init?(_ error: any Error, on context: ChannelHandlerContext) {
        if let error = error as? NIOSSLExtraError, error == .failedToValidateHostname {
            self = .otherHost
            return
        }
        guard case NIOSSLError.handshakeFailed(let reason) = error,
            "\(reason)".contains(text: "CERTIFICATE_VERIFY_FAILED")
        else { return nil }
        self = .untrusted
        guard let certificate = try? context.pipeline.syncOperations.nioSSL_peerCertificate() else { return }
        let now = time(nil)
        if certificate.notValidAfter < now { self = .expired }
        if certificate.notValidBefore > now { self = .notYetValid }
    }
}
