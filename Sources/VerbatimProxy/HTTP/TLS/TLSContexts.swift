import NIOSSL

/// Certificates or a key in PEM form, and the setting they come from.
package struct PEMText: Sendable {
    /// The setting and its file, for whoever must be told.
    let source: String
    let bytes: [UInt8]

    package init(source: String, bytes: [UInt8]) {
        self.source = source
        self.bytes = bytes
    }

    func certificates() throws(ProxyServer.StartError) -> [NIOSSLCertificate] {
        let certificates = try? NIOSSLCertificate.fromPEMBytes(bytes)
        guard let certificates, !certificates.isEmpty else { throw invalid("holds no certificate in PEM form") }
        return certificates
    }

    func privateKey() throws(ProxyServer.StartError) -> NIOSSLPrivateKey {
        guard let key = try? NIOSSLPrivateKey(bytes: bytes, format: .pem) else {
            throw invalid("holds no private key in PEM form without a pass phrase")
        }
        return key
    }

    func invalid(_ reason: String) -> ProxyServer.StartError {
        ProxyServer.StartError(reason: .tls, description: "\(source) \(reason)")
    }
}

extension ProxySettings {
    /// By which the proxy shows agents who it is.
    package struct AgentTLS: Sendable {
        var certificates: PEMText
        var key: PEMText

        package init(certificates: PEMText, key: PEMText) {
            self.certificates = certificates
            self.key = key
        }
    }

    /// How the engine is spoken to; `nil` without TLS.
    func engineContext() throws(ProxyServer.StartError) -> NIOSSLContext? {
        guard upstream.isTLS else { return nil }
        var configuration = TLSConfiguration.makeClientConfiguration()
        configuration.minimumTLSVersion = .tlsv12
        if let upstreamCA { configuration.trustRoots = .certificates(try upstreamCA.certificates()) }
        do {
            return try NIOSSLContext(configuration: configuration)
        } catch {
            throw ProxyServer.StartError(reason: .tls, description: "cannot set up TLS to the engine: \(error)")
        }
    }

    /// How agents are spoken to; `nil` without TLS.
    func agentContext() throws(ProxyServer.StartError) -> NIOSSLContext? {
        guard let agentTLS else { return nil }
        let certificates = try agentTLS.certificates.certificates()
        var configuration = TLSConfiguration.makeServerConfiguration(
            certificateChain: certificates.map { .certificate($0) },
            privateKey: .privateKey(try agentTLS.key.privateKey()))
        configuration.minimumTLSVersion = .tlsv12
        configuration.applicationProtocols = ["http/1.1"]
        do {
            return try NIOSSLContext(configuration: configuration)
        } catch {
            throw agentTLS.key.invalid("is not the key of the first certificate of \(agentTLS.certificates.source)")
        }
    }
}
