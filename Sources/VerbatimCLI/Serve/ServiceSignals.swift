import UnixSignals
import Verbatim
import VerbatimPlatform

/// What signals do: the first SIGTERM or SIGINT stops the proxy after its running turns, a second one ends the process
/// at once. SIGHUP, which log rotation sends, opens the trace anew.
enum ServiceSignals {
    /// From this call on the signals do not end the process by themselves.
    static func trap() async -> UnixSignalsSequence {
        await UnixSignalsSequence(trapping: .sigterm, .sigint, .sighup)
    }

    /// Waits for the signal to end, and stops the proxy.
    static func run(_ proxy: InterceptionProxy, until signals: UnixSignalsSequence) async {
        let (end, signalled) = AsyncStream.makeStream(of: Never.self)
        await withTaskGroup(of: Void.self) { tasks in
            tasks.addTask {
                var isStopping = false
                for await signal in signals {
                    if signal == .sighup {
                        // The proxy logs a failure, tries again, and `/healthz` reports it. Not awaited: a disk that
                        // hangs must not delay the next signal.
                        Task { try? await proxy.reopenTrace() }
                        continue
                    }
                    if isStopping { CurrentProcess.exit(128 + (signal == .sigint ? SIGINT : SIGTERM)) }
                    isStopping = true
                    signalled.finish()
                }
            }
            for await _ in end {}
            await proxy.stop()
            tasks.cancelAll()
        }
    }
}
