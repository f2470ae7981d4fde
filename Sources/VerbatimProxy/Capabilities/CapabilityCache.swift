import NIOCore
import Synchronization
import VerbatimAPI

/// What has been learned about the engine: which one it is, and what it puts up with. Shared by all event loops; asked
/// once per turn.
final class CapabilityCache: Sendable {
    /// The circumstances a verdict holds for.
    struct CapabilityKey: Hashable, Sendable {
        let api: API
        let model: String
        let isStream: Bool
        let hasTools: Bool
        /// Some models give log-probabilities only if they do not think.
        let effort: String

        /// A model's name comes from the agent and may be of any length.
        static func key(ofModel model: String) -> String { String(model.prefix(256)) }

        fileprivate var situation: EngineProfile.Situation {
            EngineProfile.Situation(api, isStream: isStream, hasTools: hasTools)
        }
    }

    /// What it was recognised by.
    enum Evidence: String, Sendable {
        /// The operator named it.
        case setting
        case host
        /// A header of a reply.
        case header
        /// Its list of models.
        case models
        /// Fields of a reply.
        case reply
        /// The wording of a refusal.
        case refusal
    }

    /// What an engine has been found to put up with.
    struct CachedCapability {
        let injectionLimits: InjectionLimits
        /// What has been injected in such circumstances and taken. An agent may ask for some of it itself, so that a
        /// single turn need not try everything that is allowed.
        fileprivate(set) var taken: Injection
        fileprivate var expiry: NIODeadline
        /// Whether it rests on a refusal alone.
        fileprivate(set) var isTentative = false
    }

    private struct State {
        var recognised: EngineProfile?
        var evidence: Evidence?
        var verdicts: [CapabilityKey: CachedCapability] = [:]
        /// Of each model, as the engine names it in its replies.
        var versions: [String: [UInt8]] = [:]
        /// How many turns in a row have fallen short of what is required.
        var shortfalls: [CapabilityKey: Shortfall] = [:]
    }

    private struct Shortfall {
        var count: Int
        var expiry: NIODeadline
    }

    /// So many turns in a row that fall short tell of an engine that ignores what it is asked for.
    private static let hopelessShortfalls = 2

    /// How long a refusal counts that has not been followed by a success yet.
    private static let presumptionLifetime: TimeAmount = .seconds(30)

    /// Most verdicts, shortfalls and versions that are remembered; beyond it what would expire first is forgotten, and
    /// costs one more refused request.
    static let capacity = 1024

    private let fixed: EngineProfile?
    private let lifetime: TimeAmount
    private let state: Mutex<State>
    private let onRecognition: @Sendable (EngineProfile, Evidence) -> Void
    /// Who finds out what is not known yet.
    let trials: CapabilityProbes

    init(
        fixed: EngineProfile?, host: String, verdictLifetime: TimeAmount, refusalTime: TimeAmount = .seconds(1),
        onRecognition: @escaping @Sendable (EngineProfile, Evidence) -> Void
    ) {
        self.fixed = fixed
        lifetime = verdictLifetime
        trials = CapabilityProbes(patience: refusalTime)
        let recognised = EngineRecognition.profile(forHost: host)
        state = Mutex(State(recognised: recognised, evidence: recognised == nil ? nil : .host))
        self.onRecognition = onRecognition
    }

    /// The profile in force.
    var profile: EngineProfile { fixed ?? state.withLock { $0.recognised } ?? .generic }

    /// What it was recognised by; `nil` as long as it is not.
    var evidence: Evidence? { isFixed ? .setting : state.withLock { $0.evidence } }

    /// Whether the operator has named the engine.
    var isFixed: Bool { fixed != nil }

    /// Whether a hint at the engine would still be of use.
    var isUnrecognised: Bool { fixed == nil && state.withLock { $0.recognised == nil } }

    func recognise(_ profile: EngineProfile, by evidence: Evidence) {
        guard fixed == nil else { return }
        let isNew = state.withLock { state in
            guard state.recognised != profile else { return false }
            let last = state.recognised ?? .generic
            state.recognised = profile
            state.evidence = evidence
            // What was refused in one form may be taken in another.
            state.verdicts = state.verdicts.filter { capabilityKey, _ in
                last.asking(in: capabilityKey.situation) == profile.asking(in: capabilityKey.situation)
            }
            return true
        }
        if isNew { onRecognition(profile, evidence) }
    }

    /// What the engine is known to put up with; `nil` if that has to be found out.
    func verdict(for capabilityKey: CapabilityKey, at now: NIODeadline) -> CachedCapability? {
        state.withLock { state in
            guard let verdict = state.verdicts[capabilityKey] else { return nil }
            if verdict.expiry > now { return verdict }
            state.verdicts[capabilityKey] = nil
            return nil
        }
    }

    /// Notes that the engine has taken `injection` after it was found to put up with `allowance`.
    func settle(
        _ injectionLimits: InjectionLimits, taking injection: Injection, for capabilityKey: CapabilityKey,
        at now: NIODeadline
    ) {
        // Nothing was refused, and nothing tried.
        if injection.isEmpty && injectionLimits == InjectionLimits() { return }
        state.withLock { state in
            var verdict = CachedCapability(injectionLimits: injectionLimits, taken: injection, expiry: now + lifetime)
            if let known = state.verdicts[capabilityKey], known.injectionLimits == injectionLimits, !known.isTentative {
                verdict = known
                verdict.taken.formUnion(injection)
                // What is refused is tried again some day; where nothing is, there is nothing to try.
                if injectionLimits == InjectionLimits() { verdict.expiry = now + lifetime }
            }
            state.verdicts.makeRoom(for: capabilityKey, capacity: Self.capacity, expiry: \.expiry)
            state.verdicts[capabilityKey] = verdict
        }
    }

    /// Notes that something has been refused, before it is known whether the engine takes what is left.
    func presume(_ injectionLimits: InjectionLimits, for capabilityKey: CapabilityKey, at now: NIODeadline) {
        state.withLock { state in
            if let known = state.verdicts[capabilityKey], known.expiry > now { return }
            state.verdicts.makeRoom(for: capabilityKey, capacity: Self.capacity, expiry: \.expiry)
            state.verdicts[capabilityKey] = CachedCapability(
                injectionLimits: injectionLimits, taken: Injection(),
                expiry: now + min(lifetime, Self.presumptionLifetime),
                isTentative: true)
        }
    }

    /// What was presumed has not been confirmed.
    func forgetPresumption(for capabilityKey: CapabilityKey) {
        state.withLock { state in
            if state.verdicts[capabilityKey]?.isTentative ?? false { state.verdicts[capabilityKey] = nil }
        }
    }

    /// Notes the version that a reply names. Another one may take what the last one refused.
    func note(version: [UInt8], ofModel model: String) {
        let model = CapabilityKey.key(ofModel: model)
        state.withLock { state in
            let last = state.versions[model]
            if last == version { return }
            if last != nil {
                state.verdicts = state.verdicts.filter { $0.key.model != model }
                state.shortfalls = state.shortfalls.filter { $0.key.model != model }
            }
            if state.versions.count >= Self.capacity { state.versions.removeAll() }
            state.versions[model] = version
        }
    }

    /// Notes whether a turn has given what is required.
    func note(isSatisfied: Bool, for capabilityKey: CapabilityKey, at now: NIODeadline) {
        state.withLock { state in
            if isSatisfied {
                state.shortfalls[capabilityKey] = nil
                return
            }
            state.shortfalls.makeRoom(for: capabilityKey, capacity: Self.capacity, expiry: \.expiry)
            let count = state.shortfalls[capabilityKey]?.count ?? 0
            state.shortfalls[capabilityKey] = Shortfall(count: count + 1, expiry: now + lifetime)
        }
    }

    /// Whether turns keep falling short of what is required, although nothing is refused.
    func isHopeless(_ capabilityKey: CapabilityKey, at now: NIODeadline) -> Bool {
        state.withLock { state in
            guard let shortfall = state.shortfalls[capabilityKey], shortfall.count >= Self.hopelessShortfalls else {
                return false
            }
            if shortfall.expiry > now { return true }
            state.shortfalls[capabilityKey] = nil
            return false
        }
    }

    func forgetVerdict(for capabilityKey: CapabilityKey) {
        state.withLock { $0.verdicts[capabilityKey] = nil }
    }
}

extension Dictionary {
    /// Removes what expires first, if there is no room for a new key.
    fileprivate mutating func makeRoom(for key: Key, capacity: Int, expiry: (Value) -> NIODeadline) {
        guard count >= capacity, self[key] == nil else { return }
        if let first = self.min(by: { expiry($0.value) < expiry($1.value) }) { self[first.key] = nil }
    }
}
