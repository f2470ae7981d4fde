package import NIOCore
import NIOHTTP1

/// An address that a server listens on, and the handler of its requests.
package struct Listener: Sendable {
    package struct Limits: Sendable {
        /// Clients that may be connected at a time; 503 beyond it.
        package var connections = 10_000
        /// Largest request line and headers together, in bytes; 431 beyond it.
        package var headerSize = 64 << 10
        /// Most headers of a request; 431 beyond it.
        package var headerCount = 256
        package var timeouts = ConnectionTimer.Limits()
        /// Longest time of a TLS handshake.
        package var handshake: TimeAmount = .seconds(10)
        /// How long a client that still sends a request after its response may be silent before it is cut off.
        package var drainSilence: TimeAmount = .seconds(2)

        package init() {}
    }

    package var address: ListenAddress
    /// `nil` for plain HTTP.
    package var tls: ServerTLS?
    package var limits: Limits
    /// For errors of connections that have no request yet.
    package var errorFormat: ErrorFormat
    /// Makes the handler for one event loop; called on that loop, once.
    package var makeHandler: @Sendable (ServerLoop) -> any RequestHandler

    package init(
        address: ListenAddress, tls: ServerTLS? = nil, limits: Limits = Limits(), errorFormat: ErrorFormat,
        makeHandler: @escaping @Sendable (ServerLoop) -> any RequestHandler
    ) {
        self.address = address
        self.tls = tls
        self.limits = limits
        self.errorFormat = errorFormat
        self.makeHandler = makeHandler
    }
}

/// What the connections of one listener share on one event loop.
struct ListenerLoop {
    let server: ServerLoop
    let limits: Listener.Limits
    let isTLS: Bool
    let errorFormat: ErrorFormat
    let connectionLimit: ConnectionLimit
    let handler: any RequestHandler
}
