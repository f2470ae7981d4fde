import NIOCore
import Synchronization
import VerbatimAPI

/// What all turns together have found out about the engines: which one serves which model, and what it accepts. Shared
/// by all event loops; read once per turn. ``CapabilityNegotiation`` explains the mechanism.
final class CapabilityCache: Sendable {
    private struct State {
        var engines: RecognizedEngines
        var capabilities: [CapabilityKey: CachedCapability] = [:]
        var sessions: SessionVerdicts
        var alternatives: AlternativeLimits
        var futile: FutileRepeats
        var shortfalls: CaptureShortfalls
        /// By model.
        var versions: [String: [UInt8]] = [:]

        /// What holds for all sessions.
        mutating func shared(_ key: CapabilityKey, at now: NIODeadline) -> CachedCapability? {
            guard let capability = capabilities[key] else { return nil }
            if capability.expiry > now { return capability }
            capabilities[key] = nil
            return nil
        }

        /// Makes what sessions have found hold for all.
        mutating func share(_ limits: InjectionLimits, for key: CapabilityKey, until expiry: NIODeadline) {
            store(CachedCapability(limits: limits, accepted: Injection(), expiry: expiry), for: key)
        }

        mutating func store(_ capability: CachedCapability, for key: CapabilityKey) {
            capabilities.makeRoom(for: key, capacity: CapabilityCache.capacity, expiry: \.expiry)
            capabilities[key] = capability
        }
    }

    /// Most entries of each kind that are kept. Beyond it the one that expires first is dropped, which costs one more
    /// rejected request.
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
        let common = EngineIdentity(profile: recognized ?? .generic, evidence: recognized == nil ? nil : .host)
        state = Mutex(
            State(
                engines: RecognizedEngines(common: common, capacity: Self.capacity),
                sessions: SessionVerdicts(capacity: Self.capacity, lifetime: lifetime),
                alternatives: AlternativeLimits(capacity: Self.capacity, lifetime: lifetime),
                futile: FutileRepeats(capacity: Self.capacity, lifetime: lifetime),
                shortfalls: CaptureShortfalls(capacity: Self.capacity)))
        self.onRecognition = onRecognition
    }

    // MARK: Reading

    /// The engine in force for a model.
    func engine(of model: String) -> EngineIdentity {
        if let fixed { return EngineIdentity(profile: fixed, evidence: .setting) }
        return state.withLock { $0.engines.engine(of: CapabilityKey.shortened(model)) }
    }

    /// It is not known yet which engine serves models that have not been seen, so further evidence is useful.
    var isUnrecognized: Bool { fixed == nil && state.withLock { $0.engines.common.evidence == nil } }

    func knowledge(of key: CapabilityKey, in session: String, at now: NIODeadline) -> CapabilityKnowledge {
        let own = SessionVerdicts.Key(capability: key, session: session)
        return state.withLock { state in
            CapabilityKnowledge(
                capability: state.sessions.capability(for: own, at: now) ?? state.shared(key, at: now),
                alternativesLimit: state.alternatives.limit(of: key.model, at: now),
                provenAlternatives: state.alternatives.proven(of: key.model, at: now),
                futileStatuses: state.futile.statuses(for: own, at: now))
        }
    }

    /// Whether a turn is to be refused because turns of its session and kind keep falling short of the required capture
    /// level. Each turn asks once.
    func refuses(_ key: CapabilityKey, in session: String, at now: NIODeadline) -> Bool {
        state.withLock { $0.shortfalls.refuses(SessionVerdicts.Key(capability: key, session: session), at: now) }
    }

    // MARK: Findings

    /// Takes in what a turn has found out, and resumes the turns that waited for it.
    func note(_ finding: CapabilityFinding, for key: CapabilityKey, in session: String, at now: NIODeadline) {
        let own = SessionVerdicts.Key(capability: key, session: session)
        switch finding {
        case .recognized(let profile, let evidence): recognize(profile, by: evidence, of: key.model)
        case .accepted(let injection, let limits): accept(injection, limits: limits, for: own, at: now)
        case .succeeded(let injection):
            state.withLock { state in
                state.capabilities[key]?.note(succeeded: injection)
                state.futile.forget(key)
            }
        case .rejected(let limits): state.withLock { $0.sessions.reject(leaving: limits, for: own, at: now) }
        case .unconfirmed: state.withLock { $0.sessions.dropUnconfirmed(for: own, at: now) }
        case .presumed(let limits, let isLate):
            state.withLock { state in
                guard state.sessions.presume(limits, isLate: isLate, for: own, at: now) else { return }
                state.share(limits, for: key, until: now + lifetime)
            }
        case .confirmed:
            state.withLock { state in
                guard let limits = state.sessions.confirm(for: own, at: now) else { return }
                state.share(limits, for: key, until: now + lifetime)
            }
        case .futile(let status): state.withLock { $0.futile.note(status: status, for: own, at: now) }
        case .revoked: state.withLock { $0.capabilities[key] = nil }
        case .probeEnded: probes.end(key)
        case .version(let version): note(version: version, ofModel: key.model)
        case .requirement(let isMet): state.withLock { $0.shortfalls.note(isMet: isMet, for: own, at: now) }
        }
    }

    /// Takes this for the engine of a model from now on, unless the operator has named another.
    ///
    /// - Parameter model: Nil for all models whose engine is not known otherwise.
    func recognize(_ profile: EngineProfile, by evidence: EngineIdentity.Evidence, of model: String?) {
        guard fixed == nil else { return }
        let model = model.map(CapabilityKey.shortened)
        let isNew = state.withLock { state in
            guard let model else { return state.engines.noteCommon(profile, by: evidence) }
            let last = state.engines.engine(of: model).profile
            guard state.engines.note(profile, by: evidence, of: model) else { return false }
            // A capability holds for the fields of the last profile. It is of no use if this one uses others.
            state.capabilities = state.capabilities.filter { key, _ in
                key.model != model
                    || last.tokenDataRequest(in: key.requestKind) == profile.tokenDataRequest(in: key.requestKind)
            }
            return true
        }
        if isNew { onRecognition(profile, evidence) }
    }

    private func accept(
        _ injection: Injection, limits: InjectionLimits, for own: SessionVerdicts.Key, at now: NIODeadline
    ) {
        let key = own.capability
        state.withLock { state in
            let known = state.shared(key, at: now)
            let isUnlimited = limits == InjectionLimits()
            if let known, known.limits == InjectionLimits(), !known.accepted.isEmpty, !isUnlimited {
                // Other turns are accepted with more, so the reason is this session's, unless others find the same.
                if state.sessions.presume(limits, isLate: false, for: own, at: now) {
                    state.share(limits, for: key, until: now + lifetime)
                }
                return
            }
            var capability = CachedCapability(limits: limits, accepted: injection, expiry: now + lifetime)
            if let known, known.limits == limits {
                capability = known
                capability.accepted.formUnion(injection)
                // A limit must expire, so that what was rejected is tried again. Without limits there is nothing to
                // try.
                if isUnlimited { capability.expiry = now + lifetime }
            }
            state.store(capability, for: key)
            state.sessions.forget(own)
            state.alternatives.note(
                limit: limits.maximumTopLogprobs, accepted: injection.topLogprobs, of: key.model, at: now)
        }
    }

    private func note(version: [UInt8], ofModel model: String) {
        state.withLock { state in
            let last = state.versions[model]
            if last == version { return }
            if last != nil {
                // Another version may accept what the last one rejected.
                state.capabilities = state.capabilities.filter { $0.key.model != model }
                state.sessions.forget(model: model)
                state.alternatives.forget(model: model)
                state.shortfalls.forget(model: model)
            }
            if state.versions.count >= Self.capacity { state.versions.removeAll() }
            state.versions[model] = version
        }
    }
}
