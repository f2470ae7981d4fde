package import NIOCore

/// Where a server listens.
package enum ListenAddress: Hashable, Sendable, CustomStringConvertible {
    /// Port 0 picks a free one.
    case tcp(host: String, port: Int)
    /// A Unix domain socket. The file is created, and removed when the server stops.
    case unix(path: String)

    package var description: String {
        switch self {
        case .tcp(let host, let port): "\(host):\(port)"
        case .unix(let path): "unix:\(path)"
        }
    }
}

extension SocketAddress {
    /// Whether only processes of this machine can reach it.
    package var isLocal: Bool {
        guard let address = ipAddress?.lowercased() else { return true }
        return address.hasPrefix("127.") || address == "::1" || address.hasPrefix("::ffff:127.")
    }
}
