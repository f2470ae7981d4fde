public import ServiceLifecycle
public import Verbatim

/// Lets a `ServiceGroup` of swift-service-lifecycle run a proxy beside an application's other services.
///
/// The conformance has a target of its own, because ServiceLifecycle brings AsyncAlgorithms into a program: only those
/// that use it should pay for it, and the `verbatim` command does not.
extension InterceptionProxy: Service {
    /// Starts the proxy, waits for a graceful shutdown or for the task's cancellation, and stops the proxy: running
    /// turns may finish within ``ProxyConfiguration/shutdownGrace``.
    ///
    /// - Throws: ``ProxyError`` if the proxy cannot start.
    public func run() async throws {
        try await start()
        // Throws if the task is cancelled, which is a reason to stop as well.
        try? await gracefulShutdown()
        await stop()
    }
}
