import NIOSSL
import VerbatimPlatform

/// Certificates or a key in PEM form, and the setting they come from.
package struct PEMText: Sendable {
    /// The setting and its file, for error messages.
    let source: String
    let bytes: [UInt8]

    package init(source: String, bytes: [UInt8]) {
        self.source = source
        self.bytes = bytes
    }

    /// Why the first certificate is not valid at a time; nil if it is valid, or if the file has no certificate.
    ///
    /// - Parameter now: In seconds since 1970.
    package func validityProblem(at now: Int = Int(time(nil))) -> String? {
        guard let certificate = try? certificates().first else { return nil }
        if now > Int(certificate.notValidAfter) { return "it has expired" }
        if now < Int(certificate.notValidBefore) { return "it is not valid yet" }
        return nil
    }

    func certificates() throws(TLSSettingsError) -> [NIOSSLCertificate] {
        let certificates = try? NIOSSLCertificate.fromPEMBytes(bytes)
        guard let certificates, !certificates.isEmpty else {
            throw TLSSettingsError("\(source) holds no certificate in PEM form")
        }
        return certificates
    }

    func privateKey() throws(TLSSettingsError) -> NIOSSLPrivateKey {
        guard let key = try? NIOSSLPrivateKey(bytes: bytes, format: .pem) else {
            throw TLSSettingsError("\(source) holds no private key in PEM form without a pass phrase")
        }
        return key
    }
}

/// Certificates or keys that cannot be used.
package struct TLSSettingsError: Error, CustomStringConvertible {
    package let description: String

    init(_ description: String) { self.description = description }
}

/// The certificate that a listener presents.
package struct ServerTLS: Sendable {
    package var certificates: PEMText
    package var key: PEMText

    package init(certificates: PEMText, key: PEMText) {
        self.certificates = certificates
        self.key = key
    }

    func context() throws(TLSSettingsError) -> NIOSSLContext {
        let chain = try certificates.certificates()
        var configuration = TLSConfiguration.makeServerConfiguration(
            certificateChain: chain.map { .certificate($0) }, privateKey: .privateKey(try key.privateKey()))
        configuration.minimumTLSVersion = .tlsv12
        configuration.applicationProtocols = ["http/1.1"]
        do {
            return try NIOSSLContext(configuration: configuration)
        } catch {
            throw TLSSettingsError("\(key.source) is not the key of the first certificate of \(certificates.source)")
        }
    }
}

/// How the certificate of an upstream is verified, and which one it is shown.
package struct UpstreamTLS: Sendable {
    /// Certificates of trusted authorities; `nil` for the system's.
    package var trusted: PEMText?

    /// What to show an upstream that asks for a certificate.
    package var identity: Identity?

    /// A certificate, those above it, and its key.
    package struct Identity: Sendable {
        package var certificates: PEMText
        package var key: PEMText

        package init(certificates: PEMText, key: PEMText) {
            self.certificates = certificates
            self.key = key
        }
    }

    package init(trusted: PEMText? = nil, identity: Identity? = nil) {
        self.trusted = trusted
        self.identity = identity
    }

    func context() throws(TLSSettingsError) -> NIOSSLContext {
        var configuration = TLSConfiguration.makeClientConfiguration()
        configuration.minimumTLSVersion = .tlsv12
        if let trusted { configuration.trustRoots = .certificates(try trusted.certificates()) }
        if let identity {
            configuration.certificateChain = try identity.certificates.certificates().map { .certificate($0) }
            configuration.privateKey = .privateKey(try identity.key.privateKey())
        }
        do {
            return try NIOSSLContext(configuration: configuration)
        } catch {
            if let identity {
                throw TLSSettingsError(
                    "\(identity.key.source) is not the key of the first certificate of \(identity.certificates.source)")
            }
            throw TLSSettingsError("cannot set up TLS to the upstream: \(error)")
        }
    }
}
