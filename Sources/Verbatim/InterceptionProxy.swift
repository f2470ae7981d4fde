import Logging
import Synchronization
import VerbatimHTTP
import VerbatimProxy
import VerbatimTrace

/// A proxy between an agent and an engine that records every turn.
///
///     var configuration = ProxyConfiguration(upstreamURL: "http://127.0.0.1:8000")
///     configuration.port = 0
///     try await withInterceptionProxy(configuration: configuration) { proxy in
///         try await rollOut(baseURL: proxy.url)
///     }
///     let turns = try TraceReader(path: configuration.trace).turns().turns
public final class InterceptionProxy: Sendable {
    private enum State {
        case created
        case starting
        case running(ProxyServer)
        case stopping(Task<Void, Never>, port: Int)
        case failed
    }

    public let configuration: ProxyConfiguration
    private let state = Mutex(State.created)

    public init(configuration: ProxyConfiguration) {
        self.configuration = configuration
    }

    /// The base URL for the agent: `http://host:port/v1`, or `https:` with a ``ProxyConfiguration/tlsCertificate``.
    /// Before ``start()`` it has the configured port.
    public var url: String {
        let host = configuration.host.contains(":") ? "[\(configuration.host)]" : configuration.host
        let scheme = configuration.tlsCertificate == nil ? "http" : "https"
        return "\(scheme)://\(host):\(port)/v1"
    }

    /// The port that the proxy listens on, also after it has stopped. Before ``start()`` the configured one.
    public var port: Int {
        state.withLock { state in
            switch state {
            case .running(let server): server.port
            case .stopping(_, let port): port
            case .created, .starting, .failed: configuration.port
            }
        }
    }

    /// Opens the trace and listens. Returns when connections are accepted. A proxy can be started once.
    ///
    /// - Throws: ``ProxyError``.
    public func start() async throws(ProxyError) {
        let mayStart = state.withLock { state in
            guard case .created = state else { return false }
            state = .starting
            return true
        }
        guard mayStart else {
            throw ProxyError(.alreadyStarted, "a proxy can be started once; make a new one to start again")
        }
        do {
            let server = try await startServer()
            state.withLock { $0 = .running(server) }
        } catch {
            state.withLock { $0 = .failed }
            throw error
        }
    }

    private func startServer() async throws(ProxyError) -> ProxyServer {
        let checked = try CheckedConfiguration(configuration)
        let recorder = try checked.recorder.map { configuration throws(ProxyError) in
            try openTrace(configuration, isFolder: checked.keepsFolder)
        }
        do {
            return try await ProxyServer.start(checked.settings, recorder: recorder, logger: configuration.logger)
        } catch {
            recorder?.close()
            switch error.reason {
            case .address: throw ProxyError(.addressUnavailable, side: .agent, error.description, cause: error)
            case .tls: throw ProxyError(.invalidConfiguration, error.description, cause: error)
            }
        }
    }

    private func openTrace(
        _ recorder: TraceRecorder.Configuration, isFolder: Bool
    ) throws(ProxyError) -> any RecordSink {
        let logger = configuration.logger
        let log: @Sendable (TraceEvent) -> Void = { event in
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
        do {
            if isFolder { return try TraceFolder(TraceFolder.Configuration(recorder), log: log) }
            return try TraceRecorder(recorder, log: log)
        } catch {
            throw ProxyError(.traceUnavailable, side: .trace, error.message, cause: error)
        }
    }

    /// Checks whether the trace's file is still at its path, and continues in a new file if not. Call it after renaming
    /// the file, as log rotation does: when it returns, nothing more is written to the renamed file.
    ///
    /// Without this call the proxy notices the change within a second. Does nothing if the proxy is not running or
    /// keeps no trace.
    ///
    /// - Throws: ``ProxyError`` with the code ``ProxyError/Code/traceUnavailable`` if the path cannot be written. Turns
    ///   are refused then, their records wait, and the proxy tries again every second.
    public func reopenTrace() async throws(ProxyError) {
        let server: ProxyServer? = state.withLock { if case .running(let server) = $0 { server } else { nil } }
        if let error = await server?.reopenTrace() {
            throw ProxyError(.traceUnavailable, side: .trace, error.message, cause: error)
        }
    }

    /// Stops accepting connections, lets running turns finish within ``ProxyConfiguration/shutdownGrace``, cuts off and
    /// records the others, and closes the trace. Returns when all of that is done, also if another call began it. Does
    /// nothing if the proxy is not running.
    public func stop() async {
        let stopping = state.withLock { state -> Task<Void, Never>? in
            switch state {
            case .created, .starting: return nil
            case .stopping(let task, _): return task
            case .running(let server):
                let grace = configuration.shutdownGrace
                let task = Task { await server.stop(grace: grace) }
                state = .stopping(task, port: server.port)
                return task
            case .failed: return nil
            }
        }
        await stopping?.value
    }
}

/// Starts a proxy, runs `body` and stops the proxy, whether `body` returns or throws.
public nonisolated(nonsending) func withInterceptionProxy<Result: Sendable>(
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
