import NIOCore
import Synchronization

/// Keeps turns that begin at the same time from all being refused: of those whose injection nobody has tried yet in their
/// circumstances, one goes ahead, and the others wait a little for what it finds out.
final class InjectionTrials: Sendable {
    typealias Circumstances = EngineKnowledge.Circumstances

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

    private let trials = Mutex<[Circumstances: Trial]>([:])

    init(patience: TimeAmount) { self.patience = patience }

    /// - Parameter resume: Called once, on any thread, when the trial that is waited for has ended.
    func admit(
        _ circumstances: Circumstances, at now: NIODeadline, resume: @escaping @Sendable () -> Void
    ) -> Admission {
        trials.withLock { trials in
            guard let trial = trials[circumstances] else {
                trials[circumstances] = Trial(start: now)
                return .first
            }
            let end = trial.start + patience
            if end <= now { return .go }
            trials[circumstances]?.waiting.append(resume)
            return .wait(until: end)
        }
    }

    func end(_ circumstances: Circumstances) {
        let waiting = trials.withLock { $0.removeValue(forKey: circumstances)?.waiting ?? [] }
        for resume in waiting { resume() }
    }
}
