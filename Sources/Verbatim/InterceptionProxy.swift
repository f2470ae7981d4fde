import Logging
import ProxyHTTP
import Synchronization
import Trace

/// A proxy between an agent and an engine that records every turn.
///
///     var configuration = ProxyConfiguration(upstreamURL: "http://127.0.0.1:8000")
///     configuration.port = 0
///     try await withInterceptionProxy(configuration: configuration) { proxy in
///         try await rollOut(baseURL: proxy.url)
///     }
///     let turns = try TraceReader(path: configuration.trace).turns().turns
public final class InterceptionProxy: Sendable {
    private struct Running {
        let server: ProxyServer
        let recorder: TraceRecorder?
    }

    private enum State {
        case created
        case starting
        case running(Running)
        case stopped
    }

    public let configuration: ProxyConfiguration
    private let state = Mutex(State.created)

    public init(configuration: ProxyConfiguration) {
        self.configuration = configuration
    }

    /// The base URL to give to the agent, `http://host:port/v1`. Before ``start()`` with the configured port.
    public var url: String {
        let host = configuration.host.contains(":") ? "[\(configuration.host)]" : configuration.host
        return "http://\(host):\(port)/v1"
    }

    /// The port that is listened on; before ``start()`` the configured one.
    public var port: Int {
        state.withLock { if case .running(let running) = $0 { running.server.port } else { configuration.port } }
    }

    /// Opens the trace and listens. Returns when connections are accepted.
    ///
    /// - Throws: ``ProxyError``. A proxy can be started once.
    public func start() async throws(ProxyError) {
        let mayStart = state.withLock { state in
            guard case .created = state else { return false }
            state = .starting
            return true
        }
        guard mayStart else {
            throw ProxyError(.invalidConfiguration, "a proxy can be started once; make a new one to start again")
        }
        do {
            let running = try await startServer()
            state.withLock { $0 = .running(running) }
        } catch {
            state.withLock { $0 = .stopped }
            throw error
        }
    }

    private func startServer() async throws(ProxyError) -> Running {
        let settings = try configuration.settings()
        let recorder = try openTrace()
        do {
            let server = try await ProxyServer.start(settings, recorder: recorder, logger: configuration.logger)
            return Running(server: server, recorder: recorder)
        } catch {
            recorder?.close()
            switch error.reason {
            case .address: throw ProxyError(.addressUnavailable, error.description)
            case .tls: throw ProxyError(.invalidConfiguration, error.description)
            }
        }
    }

    private func openTrace() throws(ProxyError) -> TraceRecorder? {
        if configuration.capture == .off { return nil }
        let logger = configuration.logger
        do {
            return try TraceRecorder(configuration.recorderConfiguration) { event in
                let level: Logger.Level
                switch event.level {
                case .info: level = .info
                case .warning: level = .warning
                case .error: level = .error
                }
                var metadata: Logger.Metadata = [:]
                for (key, value) in event.metadata { metadata[key] = "\(value)" }
                logger.log(level: level, "\(event.message)", metadata: metadata)
            }
        } catch {
            throw ProxyError(.traceUnavailable, error.message)
        }
    }

    /// Stops accepting, lets running turns finish for as long as ``ProxyConfiguration/shutdownGrace``, cuts off and
    /// records those that have not, and closes the trace. Does nothing if the proxy is not running.
    public func stop() async {
        let running = state.withLock { state -> Running? in
            guard case .running(let running) = state else { return nil }
            state = .stopped
            return running
        }
        guard let running else { return }
        await running.server.stop(grace: configuration.shutdownGrace)
        running.recorder?.close()
    }
}

/// Runs a proxy for as long as `body` runs.
public func withInterceptionProxy<Result: Sendable>(
    configuration: ProxyConfiguration, _ body: (InterceptionProxy) async throws -> Result
) async throws -> Result {
    let proxy = InterceptionProxy(configuration: configuration)
    try await proxy.start()
    do {
        let result = try await body(proxy)
        await proxy.stop()
        return result
    } catch {
        await proxy.stop()
        throw error
    }
}
