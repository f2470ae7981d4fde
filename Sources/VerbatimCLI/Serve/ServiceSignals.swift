import UnixSignals
import Verbatim
import VerbatimPlatform

/// The first SIGTERM or SIGINT lets running turns finish; a second one ends the process at once. SIGHUP, which tools send
/// that rotate logs, opens the trace anew.
enum ServiceSignals {
    /// From here on the signals do not end the process by themselves.
    static func trap() async -> UnixSignalsSequence {
        await UnixSignalsSequence(trapping: .sigterm, .sigint, .sighup)
    }

    /// Waits until the proxy is told to end, and while it stops.
    static func run(_ proxy: InterceptionProxy, until signals: UnixSignalsSequence) async {
        let (end, isTold) = AsyncStream.makeStream(of: Never.self)
        await withTaskGroup(of: Void.self) { tasks in
            tasks.addTask {
                var isStopping = false
                for await signal in signals {
                    if signal == .sighup {
                        // If that fails, it is logged, tried again, and `/healthz` says so. Not waited for: a disk that
                        // hangs must not keep the next signal from being heard.
                        Task { try? await proxy.reopenTrace() }
                        continue
                    }
                    if isStopping { CurrentProcess.exit(128 + (signal == .sigint ? SIGINT : SIGTERM)) }
                    isStopping = true
                    isTold.finish()
                }
            }
            for await _ in end {}
            await proxy.stop()
            tasks.cancelAll()
        }
    }
}
