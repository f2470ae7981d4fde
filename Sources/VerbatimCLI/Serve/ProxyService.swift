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

/// The first SIGTERM or SIGINT lets running turns finish; a second one ends the process at once.
enum ShutdownSignals {
    static func run(_ group: ServiceGroup) async throws {
        let signals = await UnixSignalsSequence(trapping: .sigterm, .sigint)
        try await withThrowingTaskGroup(of: Void.self) { tasks in
            tasks.addTask {
                var isStopping = false
                for await signal in signals {
                    if isStopping { exit(128 + (signal == .sigint ? SIGINT : SIGTERM)) }
                    isStopping = true
                    await group.triggerGracefulShutdown()
                }
            }
            try await group.run()
            tasks.cancelAll()
        }
    }
}
