package import VerbatimAPI
package import VerbatimHTTP
import VerbatimJSON
import VerbatimPlatform

/// Everything that a proxy server needs to know, checked and complete. Its ``limits`` are members of it, too.
@dynamicMemberLookup
package struct ProxySettings: Sendable {
    package var upstream: UpstreamURL
    /// Replaces the agent's credentials, in the header that the agent used for them.
    package var upstreamAPIKey: String?
    /// Trusted CA certificates for the upstream; nil for the system's.
    package var upstreamCA: PEMText?
    /// The certificate to show an upstream that asks for one, and its key.
    package var upstreamIdentity: UpstreamTLS.Identity?
    /// The forward proxy through which the upstream is reached; nil for none.
    package var forwardProxy: ForwardProxy?
    /// nil: the engine is recognized by what it sends.
    package var engine: EngineProfile?

    package var host = "127.0.0.1"
    /// 0 picks a free one.
    package var port = 0
    /// nil for plain HTTP.
    package var agentTLS: ServerTLS?
    /// Number of event loops; nil for one per core that the process may use.
    package var threads: Int?

    /// Every agent must send one of them; without any, every request is authorized.
    package var apiKeys: [AccessKey] = []
    /// Whether only captured routes and the list of models are forwarded.
    package var onlyCaptured = false

    package var policy = RequestPolicy()
    package var limits = ProxyLimits()

    package init(upstream: UpstreamURL) {
        self.upstream = upstream
    }

    package subscript<Value>(dynamicMember limit: WritableKeyPath<ProxyLimits, Value>) -> Value {
        get { limits[keyPath: limit] }
        set { limits[keyPath: limit] = newValue }
    }
}

extension ProxySettings {
    var listenAddress: ListenAddress { .tcp(host: host, port: port) }

    /// The limits of the agents' listener.
    var listenerLimits: Listener.Limits {
        var listener = Listener.Limits()
        listener.connections = limits.maximumConnections
        listener.headerSize = limits.maximumHeaderSize
        listener.headerCount = limits.maximumHeaderCount
        listener.timeouts.head = limits.headTimeout
        listener.timeouts.body = limits.bodyTimeout
        listener.timeouts.nextRequest = limits.keepAlive
        listener.timeouts.lastResponse = limits.requestTimeout
        listener.handshake = limits.handshakeTimeout
        listener.drainSilence = limits.lingerSilence
        return listener
    }

    var poolConfiguration: UpstreamPool.Configuration {
        var pool = UpstreamPool.Configuration(
            address: upstream.address,
            tls: upstream.address.isTLS ? UpstreamTLS(trusted: upstreamCA, identity: upstreamIdentity) : nil,
            connectTimeout: limits.connectTimeout, keepAlive: limits.engineKeepAlive)
        pool.proxy = forwardProxy
        return pool
    }

    var exchangeLimits: ExchangeTimer.Limits { .init(total: limits.requestTimeout, silence: limits.idleTimeout) }

    /// The secrets in the settings that a request carries to the engine.
    var secrets: [String] {
        let parameters = upstream.query.split(separator: "&").filter { parameter in
            let name = parameter.prefix { $0 != "=" }.lowercased()
            return ["key", "token", "secret", "sig"].contains { name.contains(text: $0) }
        }
        return [upstreamAPIKey].compactMap(\.self) + parameters.map { String($0.drop { $0 != "=" }.dropFirst()) }
    }
}
