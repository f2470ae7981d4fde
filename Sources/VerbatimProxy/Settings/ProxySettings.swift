package import NIOCore
package import VerbatimAPI
package import VerbatimHTTP
import VerbatimJSON
import VerbatimPlatform

/// Everything a proxy server needs to know, validated and complete.
package struct ProxySettings: Sendable {
    package var upstream: UpstreamURL
    /// Replaces the agent's credentials, in the header that the agent used for them.
    package var upstreamAPIKey: String?
    /// Every agent must send one of them; without any, every request is authorised.
    package var apiKeys: [AccessKey] = []
    /// Trusted CA certificates for the upstream; `nil` for the system's.
    package var upstreamCA: PEMText?
    /// The certificate that agents are shown; `nil` for plain HTTP.
    package var agentTLS: ServerTLS?
    package var host = "127.0.0.1"
    /// 0 picks a free one.
    package var port = 7000
    /// Event loops; `nil` for one per core.
    package var threads: Int?

    /// Agents that may be connected at a time; 503 beyond it.
    package var maximumConnections = 10_000
    /// Largest request line and headers together, in bytes, and most headers; 431 beyond it.
    package var maximumHeaderSize = 64 << 10
    package var maximumHeaderCount = 256
    /// Longest time for a request's head, from the first byte of it or, of the first request, from the connection; 408
    /// beyond it.
    package var headTimeout: TimeAmount = .seconds(60)
    /// Longest time for the body of a request that the proxy reads itself, from the head on; 408 beyond it.
    package var bodyTimeout: TimeAmount = .seconds(300)
    /// How long an unused connection of an agent is kept.
    package var keepAlive: TimeAmount = .seconds(600)
    /// How long an agent may be silent that still sends a refused request, before it is cut off.
    package var lingerSilence: TimeAmount = .seconds(2)
    /// Bytes of request bodies that are held at a time, over all connections; 503 beyond it.
    package var maximumBuffered = 2 << 30
    /// Whether only captured routes and the list of models are forwarded.
    package var onlyCaptured = false

    package var policy = RequestPolicy()
    /// `nil` recognises the engine by what it sends.
    package var engine: EngineProfile?

    /// From the first byte of a request forwarded to the end of its reply.
    package var requestTimeout: TimeAmount = .seconds(600)
    /// Longest time of an agent's TLS handshake.
    package var handshakeTimeout: TimeAmount = .seconds(10)
    package var connectTimeout: TimeAmount = .seconds(10)
    /// Longest silence of the engine within an exchange.
    package var idleTimeout: TimeAmount?
    /// Largest request body of a captured route, in bytes; 413 beyond it.
    package var maximumBodySize = 64 << 20
    /// Largest reply that is held in memory, in bytes; beyond it a reply passes through unrestored.
    package var maximumReplySize = 64 << 20
    /// Largest single event of a stream, in bytes; beyond it the rest of the stream passes through unrestored.
    package var maximumEventSize = 16 << 20
    /// How long an unused connection to the engine is kept. Shorter than the five seconds after which uvicorn and
    /// llama.cpp close theirs, so that a request is not sent into a connection that is being closed.
    package var engineKeepAlive: TimeAmount = .seconds(4)
    /// How long an engine may take to reject an injection; one that is silent for longer is generating. Turns wait that long
    /// for another turn's probe, and a stream's head waits that long for its first event.
    package var refusalTime: TimeAmount = .seconds(1)
    /// How long it is remembered what an engine accepts.
    package var verdictLifetime: TimeAmount = .minutes(10)

    package init(upstream: UpstreamURL) {
        self.upstream = upstream
    }
}

extension ProxySettings {
    var listenAddress: ListenAddress { .tcp(host: host, port: port) }

    /// The limits of the agents' listener.
    var listenerLimits: Listener.Limits {
        var limits = Listener.Limits()
        limits.connections = maximumConnections
        limits.headerSize = maximumHeaderSize
        limits.headerCount = maximumHeaderCount
        limits.timeouts.head = headTimeout
        limits.timeouts.body = bodyTimeout
        limits.timeouts.nextRequest = keepAlive
        limits.timeouts.lastResponse = requestTimeout
        limits.handshake = handshakeTimeout
        limits.drainSilence = lingerSilence
        return limits
    }

    var poolConfiguration: UpstreamPool.Configuration {
        var configuration = UpstreamPool.Configuration(address: upstream.address)
        configuration.tls = upstream.address.isTLS ? UpstreamTLS(trusted: upstreamCA) : nil
        configuration.connectTimeout = connectTimeout
        configuration.keepAlive = engineKeepAlive
        return configuration
    }

    var exchangeLimits: ExchangeTimer.Limits { .init(total: requestTimeout, silence: idleTimeout) }

    /// The secrets in the settings that a request carries to the engine.
    var secrets: [String] {
        let parameters = upstream.query.split(separator: "&").filter { parameter in
            let name = parameter.prefix { $0 != "=" }.lowercased()
            return ["key", "token", "secret", "sig"].contains { name.contains(text: $0) }
        }
        return [upstreamAPIKey].compactMap(\.self) + parameters.map { String($0.drop { $0 != "=" }.dropFirst()) }
    }
}
