import NIOCore
import Synchronization
import VerbatimAPI

/// What all turns together have found out about the engine: which one it is, and what it accepts. Shared by all event
/// loops; read once per turn. ``CapabilityNegotiation`` explains the mechanism.
final class CapabilityCache: Sendable {
    private struct State {
        var recognized: EngineProfile?
        var evidence: EngineIdentity.Evidence?
        var capabilities: [CapabilityKey: CachedCapability] = [:]
        /// By model.
        var versions: [String: [UInt8]] = [:]
        /// Turns in a row that were captured below the required level.
        var shortfalls: [CapabilityKey: Shortfall] = [:]
    }

    private struct Shortfall {
        var count: Int
        var expiry: NIODeadline
    }

    /// So many shortfalls in a row show that the engine ignores the injection.
    private static let hopelessShortfalls = 2

    /// How long a rejection counts that is not confirmed.
    private static let tentativeLifetime: TimeAmount = .seconds(30)

    /// Most capabilities, shortfalls and versions that are kept. Beyond it the one that expires first is dropped, which
    /// costs one more rejected request.
    static let capacity = 1024

    private let fixed: EngineProfile?
    private let lifetime: TimeAmount
    private let state: Mutex<State>
    private let onRecognition: @Sendable (EngineProfile, EngineIdentity.Evidence) -> Void
    let probes: CapabilityProbes

    /// - Parameters:
    ///   - fixed: The engine that the operator named.
    ///   - host: The upstream's host, which may identify the engine.
    ///   - lifetime: How long a capability is trusted.
    ///   - maxWait: How long a turn waits for the probe of another.
    ///   - onRecognition: Called on any thread when the engine is recognized.
    init(
        fixed: EngineProfile?, host: String, lifetime: TimeAmount, maxWait: TimeAmount = .seconds(1),
        onRecognition: @escaping @Sendable (EngineProfile, EngineIdentity.Evidence) -> Void
    ) {
        self.fixed = fixed
        self.lifetime = lifetime
        probes = CapabilityProbes(maxWait: maxWait)
        let recognized = EngineRecognition.profile(forHost: host)
        state = Mutex(State(recognized: recognized, evidence: recognized == nil ? nil : .host))
        self.onRecognition = onRecognition
    }

    // MARK: Reading

    /// The engine in force.
    var engine: EngineIdentity {
        if let fixed { return EngineIdentity(profile: fixed, evidence: .setting) }
        return state.withLock { EngineIdentity(profile: $0.recognized ?? .generic, evidence: $0.evidence) }
    }

    /// The engine is not recognized yet, so further evidence is useful.
    var isUnrecognized: Bool { fixed == nil && state.withLock { $0.recognized == nil } }

    /// What the engine is known to accept; nil if that has to be found out.
    func capability(for key: CapabilityKey, at now: NIODeadline) -> CachedCapability? {
        state.withLock { state in
            guard let capability = state.capabilities[key] else { return nil }
            if capability.expiry > now { return capability }
            state.capabilities[key] = nil
            return nil
        }
    }

    /// Turns with this key keep falling short of the required capture level, although the engine rejects nothing.
    func isHopeless(_ key: CapabilityKey, at now: NIODeadline) -> Bool {
        state.withLock { state in
            guard let shortfall = state.shortfalls[key], shortfall.count >= Self.hopelessShortfalls else {
                return false
            }
            if shortfall.expiry > now { return true }
            state.shortfalls[key] = nil
            return false
        }
    }

    // MARK: Findings

    /// Takes in what a turn has found out, and resumes the turns that waited for it.
    func note(_ finding: CapabilityFinding, for key: CapabilityKey, at now: NIODeadline) {
        switch finding {
        case .recognized(let profile, let evidence): recognize(profile, by: evidence)
        case .accepted(let injection, let limits): accept(injection, limits: limits, for: key, at: now)
        case .rejected(let limits): reject(leaving: limits, for: key, at: now)
        case .unconfirmed:
            state.withLock { state in
                if state.capabilities[key]?.isTentative ?? false { state.capabilities[key] = nil }
            }
        case .revoked: state.withLock { $0.capabilities[key] = nil }
        case .probeEnded: probes.end(key)
        case .version(let version): note(version: version, ofModel: key.model)
        case .requirement(let isMet): note(isRequirementMet: isMet, for: key, at: now)
        }
    }

    /// Takes this for the engine from now on, unless the operator has named another.
    func recognize(_ profile: EngineProfile, by evidence: EngineIdentity.Evidence) {
        guard fixed == nil else { return }
        let isNew = state.withLock { state in
            guard state.recognized != profile else { return false }
            let last = state.recognized ?? .generic
            state.recognized = profile
            state.evidence = evidence
            // A capability holds for the fields of the last profile. It is of no use if this one uses others.
            state.capabilities = state.capabilities.filter { key, _ in
                last.tokenDataRequest(in: key.requestKind) == profile.tokenDataRequest(in: key.requestKind)
            }
            return true
        }
        if isNew { onRecognition(profile, evidence) }
    }

    private func accept(
        _ injection: Injection, limits: InjectionLimits, for key: CapabilityKey, at now: NIODeadline
    ) {
        state.withLock { state in
            var capability = CachedCapability(limits: limits, accepted: injection, expiry: now + lifetime)
            if let known = state.capabilities[key], known.limits == limits, !known.isTentative {
                capability = known
                capability.accepted.formUnion(injection)
                // A limit must expire, so that what was rejected is tried again. Without limits there is nothing to
                // try.
                if limits == InjectionLimits() { capability.expiry = now + lifetime }
            }
            state.capabilities.makeRoom(for: key, capacity: Self.capacity, expiry: \.expiry)
            state.capabilities[key] = capability
        }
    }

    private func reject(leaving limits: InjectionLimits, for key: CapabilityKey, at now: NIODeadline) {
        state.withLock { state in
            if let known = state.capabilities[key], known.expiry > now { return }
            state.capabilities.makeRoom(for: key, capacity: Self.capacity, expiry: \.expiry)
            state.capabilities[key] = CachedCapability(
                limits: limits, accepted: Injection(), expiry: now + min(lifetime, Self.tentativeLifetime),
                isTentative: true)
        }
    }

    private func note(version: [UInt8], ofModel model: String) {
        state.withLock { state in
            let last = state.versions[model]
            if last == version { return }
            if last != nil {
                // Another version may accept what the last one rejected.
                state.capabilities = state.capabilities.filter { $0.key.model != model }
                state.shortfalls = state.shortfalls.filter { $0.key.model != model }
            }
            if state.versions.count >= Self.capacity { state.versions.removeAll() }
            state.versions[model] = version
        }
    }

    private func note(isRequirementMet: Bool, for key: CapabilityKey, at now: NIODeadline) {
        state.withLock { state in
            if isRequirementMet {
                state.shortfalls[key] = nil
                return
            }
            state.shortfalls.makeRoom(for: key, capacity: Self.capacity, expiry: \.expiry)
            let count = state.shortfalls[key]?.count ?? 0
            state.shortfalls[key] = Shortfall(count: count + 1, expiry: now + lifetime)
        }
    }
}

extension Dictionary {
    /// Removes what expires first, if there is no room for a new key.
    fileprivate mutating func makeRoom(for key: Key, capacity: Int, expiry: (Value) -> NIODeadline) {
        guard count >= capacity, self[key] == nil else { return }
        if let first = self.min(by: { expiry($0.value) < expiry($1.value) }) { self[first.key] = nil }
    }
}
