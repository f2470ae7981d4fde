import NIOCore
import Synchronization

/// Single-flight: one turn probes an untested injection, and concurrent turns with the same key wait briefly for the
/// result.
final class CapabilityProbes: Sendable {
    enum Role: Equatable {
        /// The turn is the probe. It must call ``end(_:)``.
        case probe
        /// The turn goes ahead although nothing is known yet.
        case proceed
        /// The turn waits, until that time at the latest.
        case wait(until: NIODeadline)
    }

    private struct Probe {
        let start: NIODeadline
        var waiting: [@Sendable () -> Void] = []
    }

    /// How long a turn waits for a probe, counted from the start of the probe.
    private let maxWait: TimeAmount
    private let probes = Mutex<[CapabilityKey: Probe]>([:])

    init(maxWait: TimeAmount) { self.maxWait = maxWait }

    /// - Parameter onResolved: Called if the turn is to wait: once, on any thread, when the probe has ended.
    func join(_ key: CapabilityKey, at now: NIODeadline, onResolved: @escaping @Sendable () -> Void) -> Role {
        probes.withLock { probes in
            guard let probe = probes[key] else {
                probes[key] = Probe(start: now)
                return .probe
            }
            let end = probe.start + maxWait
            if end <= now { return .proceed }
            probes[key]?.waiting.append(onResolved)
            return .wait(until: end)
        }
    }

    /// Ends the probe and resumes the turns that wait for it.
    func end(_ key: CapabilityKey) {
        let waiting = probes.withLock { $0.removeValue(forKey: key)?.waiting ?? [] }
        for resume in waiting { resume() }
    }
}
