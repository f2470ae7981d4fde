import NIOCore

/// Where the upstream listens.
package struct UpstreamAddress: Hashable, Sendable {
    package let isTLS: Bool
    package let host: String
    package let port: Int
    /// Host and port as written, for the `Host` header and messages.
    package let authority: String

    package init(isTLS: Bool, host: String, port: Int, authority: String) {
        self.isTLS = isTLS
        self.host = host
        self.port = port
        self.authority = authority
    }
}
