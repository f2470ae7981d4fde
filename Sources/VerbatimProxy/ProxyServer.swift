import Dispatch
package import Logging
import NIOCore
package import VerbatimHTTP
package import VerbatimTrace
import VerbatimAPI
import VerbatimPlatform

/// The proxy: an HTTP server whose exchanges go to the engine and are recorded.
package final class ProxyServer: Sendable {
    package typealias StartError = HTTPServer.StartError

    private let server: HTTPServer
    private let recorder: (any RecordSink)?

    /// The port that agents connect to; 0 if they connect to a Unix socket.
    package let port: Int

    /// Starts to listen.
    ///
    /// - Parameter recorder: `nil` if nothing is to be captured. ``stop(grace:)`` closes it.
    package static func start(
        _ settings: ProxySettings, recorder: (any RecordSink)?, clock: HTTPClock = .system, logger: Logger
    ) async throws(StartError) -> ProxyServer {
        let capabilities = CapabilityCache(
            fixed: settings.engine, host: settings.upstream.address.host, lifetime: settings.verdictLifetime,
            maxWait: settings.refusalTime
        ) { profile, evidence in
            logger.info(
                "recognized the engine", metadata: ["engine": "\(profile.name)", "by": "\(evidence.rawValue)"])
        }
        let context = ProxyContext(
            settings: settings, upstream: try upstream(settings), capabilities: capabilities, recorder: recorder,
            clock: clock, logger: logger)
        let router = Router(context)
        let listener = Listener(
            address: settings.listenAddress, tls: settings.agentTLS, limits: settings.listenerLimits,
            errorFormat: .openAI
        ) { loop in
            ProxyHandler(loop: ProxyLoop(server: loop, context: context), router: router)
        }
        let server = try await HTTPServer.start(
            [listener], threads: settings.threads ?? min(System.coreCount, AvailableCores.count()), clock: clock,
            logger: logger)
        warnIfOpen(server.addresses.first ?? nil, settings: settings, logger: logger)
        return ProxyServer(server: server, recorder: recorder)
    }

    private static func upstream(_ settings: ProxySettings) throws(StartError) -> UpstreamPool.Shared {
        do throws(TLSSettingsError) {
            return try UpstreamPool.Shared(settings.poolConfiguration)
        } catch {
            throw StartError(reason: .tls, description: error.description, cause: error)
        }
    }

    private init(server: HTTPServer, recorder: (any RecordSink)?) {
        self.server = server
        self.recorder = recorder
        port = server.addresses.first??.port ?? 0
    }

    /// Warns if other machines can reach the listener and it is not protected.
    private static func warnIfOpen(_ address: SocketAddress?, settings: ProxySettings, logger: Logger) {
        guard let address, !address.isLocal else { return }
        let metadata: Logger.Metadata = ["address": "\(settings.host):\(address.port ?? settings.port)"]
        if settings.apiKeys.isEmpty {
            logger.warning(
                """
                NO API KEY: everyone who can reach this address can use the engine and write turns into any session. \
                Set --api-key-file, or listen on 127.0.0.1
                """, metadata: metadata)
        } else if settings.agentTLS == nil {
            logger.notice(
                "keys and prompts cross the network in plain text: set --tls-cert and --tls-key", metadata: metadata)
        }
    }

    /// Checks whether the trace's file is still at its path, and continues in a new one if not. Returns why records
    /// cannot be written, or `nil`.
    package func reopenTrace() async -> TraceError? {
        guard let recorder else { return nil }
        return await withCheckedContinuation { continuation in
            recorder.reopen { continuation.resume(returning: $0) }
        }
    }

    /// Stops accepting, lets exchanges finish for as long as `grace`, then cuts them off. Closes the recorder.
    package func stop(grace: Duration) async {
        await server.drain(grace: grace)
        await closeRecorder()
        await server.shutDown()
    }

    /// Waits, on a thread that may block, until the last records are written. The event loops, which must still run,
    /// report the results.
    private func closeRecorder() async {
        guard let recorder else { return }
        await withCheckedContinuation { continuation in
            DispatchQueue.global().async {
                recorder.close()
                continuation.resume()
            }
        }
    }
}
