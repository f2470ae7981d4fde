import ServiceLifecycle
import UnixSignals
import Verbatim

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif

/// A started proxy that stops when the service group is shut down.
struct ProxyService: Service {
    let proxy: InterceptionProxy

    func run() async throws {
        try? await gracefulShutdown()
        await proxy.stop()
    }
}

/// The first SIGTERM or SIGINT lets running turns finish; a second one ends the process at once. SIGHUP, which tools send
/// that rotate logs, opens the trace anew.
enum ServiceSignals {
    /// From here on the signals do not end the process by themselves.
    static func trap() async -> UnixSignalsSequence {
        await UnixSignalsSequence(trapping: .sigterm, .sigint, .sighup)
    }

    /// Runs the group until it is told to end, and while it shuts down.
    static func run(_ group: ServiceGroup, of proxy: InterceptionProxy, until signals: UnixSignalsSequence) async throws
    {
        try await withThrowingTaskGroup(of: Void.self) { tasks in
            tasks.addTask {
                var isStopping = false
                for await signal in signals {
                    if signal == .sighup {
                        // If that fails, it is logged, tried again, and `/healthz` says so. Not waited for: a disk that
                        // hangs must not keep the next signal from being heard.
                        Task { try? await proxy.reopenTrace() }
                        continue
                    }
                    if isStopping { Process.exit(128 + (signal == .sigint ? SIGINT : SIGTERM)) }
                    isStopping = true
                    await group.triggerGracefulShutdown()
                }
            }
            try await group.run()
            tasks.cancelAll()
        }
    }
}
