import NIOCore
import Synchronization

/// Keeps turns that begin at the same time from all being refused: of those whose injection nobody has tried yet in their
/// circumstances, one goes ahead, and the others wait a little for what it finds out.
final class CapabilityProbes: Sendable {
    typealias CapabilityKey = CapabilityCache.CapabilityKey

    /// How long others wait.
    private let patience: TimeAmount

    enum Admission {
        /// Goes ahead; must call ``end(_:)``.
        case first
        case go
        /// Until then at the latest.
        case wait(until: NIODeadline)
    }

    private struct Trial {
        let start: NIODeadline
        var waiting: [@Sendable () -> Void] = []
    }

    private let trials = Mutex<[CapabilityKey: Trial]>([:])

    init(patience: TimeAmount) { self.patience = patience }

    /// - Parameter resume: Called once, on any thread, when the trial that is waited for has ended.
    func admit(
        _ capabilityKey: CapabilityKey, at now: NIODeadline, resume: @escaping @Sendable () -> Void
    ) -> Admission {
        trials.withLock { trials in
            guard let trial = trials[capabilityKey] else {
                trials[capabilityKey] = Trial(start: now)
                return .first
            }
            let end = trial.start + patience
            if end <= now { return .go }
            trials[capabilityKey]?.waiting.append(resume)
            return .wait(until: end)
        }
    }

    func end(_ capabilityKey: CapabilityKey) {
        let waiting = trials.withLock { $0.removeValue(forKey: capabilityKey)?.waiting ?? [] }
        for resume in waiting { resume() }
    }
}
