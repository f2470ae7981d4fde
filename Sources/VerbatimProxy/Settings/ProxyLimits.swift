package import NIOCore
import VerbatimHTTP

/// How much a proxy holds in memory, and how long it waits. `ProxyConfiguration` takes its defaults from here.
package struct ProxyLimits: Sendable {
    private static let listener = Listener.Limits()

    // MARK: Agents

    /// Agents connected at a time; 503 beyond it.
    package var maximumConnections = listener.connections
    /// Largest request line and headers together, in bytes; 431 beyond it.
    package var maximumHeaderSize = listener.headerSize
    /// Headers of a request; 431 beyond it.
    package var maximumHeaderCount = listener.headerCount
    /// Longest time for the head of a request, from its first byte, or for a connection's first request from the time
    /// of connecting; 408 beyond it.
    package var headTimeout = listener.timeouts.head
    /// Longest time for the body of a request that the proxy reads itself, from the end of its head; 408 beyond it.
    package var bodyTimeout = listener.timeouts.body
    /// How long an agent's unused connection is kept open.
    package var keepAlive = listener.timeouts.nextRequest
    /// How long an agent that still sends a refused request may be silent before it is cut off.
    package var lingerSilence = listener.drainSilence
    /// Longest time for an agent's TLS handshake.
    package var handshakeTimeout = listener.handshake

    // MARK: Bodies and replies

    /// Largest request body of a captured route, in bytes; 413 beyond it.
    package var maximumBodySize = 64 << 20
    /// Bytes of request bodies held at a time, over all connections; 503 beyond it.
    package var maximumBuffered = 2 << 30
    /// Largest reply held in memory, in bytes; beyond it a reply passes through unrestored.
    package var maximumReplySize = 64 << 20
    /// Largest single event of a stream, in bytes; beyond it the rest of the stream passes through unrestored.
    package var maximumEventSize = 16 << 20

    // MARK: Sessions

    /// Sessions below its own that the agent of a bound key may begin; 403 beyond it.
    package var maximumSessionsPerKey = 1000

    // MARK: The engine

    /// Longest time to connect to the engine.
    package var connectTimeout: TimeAmount = .seconds(10)
    /// Longest time from the first byte of a forwarded request to the end of its reply.
    package var requestTimeout: TimeAmount = .seconds(600)
    /// Longest silence of the engine within an exchange; nil for no limit.
    package var idleTimeout: TimeAmount?
    /// How long an unused connection to the engine is kept open. Shorter than the five seconds after which uvicorn and
    /// llama.cpp close theirs, so that no request goes into a connection that is being closed.
    package var engineKeepAlive: TimeAmount = .seconds(4)
    /// How long an engine may take to reject an injection; one that is silent for longer is generating. Turns wait that
    /// long for another turn's probe, and a stream's head waits that long for its first event.
    package var refusalTime: TimeAmount = .seconds(1)
    /// How long the proxy remembers what an engine accepts.
    package var verdictLifetime: TimeAmount = .minutes(10)

    package init() {}
}
