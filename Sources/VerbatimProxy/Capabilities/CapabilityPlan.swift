import NIOCore
import VerbatimAPI
import VerbatimJSON

/// How a request is forwarded, given what is known of the engine at that moment.
struct CapabilityPlan {
    let key: CapabilityKey
    let prepared: PreparedExchange
    /// The one in force for this request.
    let policy: RequestPolicy
    /// What the engine is known to accept; everything if nothing is known.
    let limits: InjectionLimits
    /// The most alternatives to ask for, as far as other requests have shown it.
    let alternativesCap: Int?
    /// The engine has accepted such an injection before.
    let isProven: Bool
    /// A turn with such an injection has come to its end before.
    let hasSucceeded: Bool
    /// What the limits rest on; nil without any.
    let standing: CachedCapability.Standing?
    /// The statuses of failures that a repeat has lately shown to have another cause than the injection.
    let futileStatuses: [Int]
    /// Turns of this session and kind keep falling short of the required capture level although the engine rejects
    /// nothing.
    let isHopeless: Bool
    let engine: EngineIdentity

    /// - Parameters:
    ///   - session: Whose findings count.
    ///   - isFirst: The turn has not been planned before.
    init(
        _ request: any APIRequest, policy: RequestPolicy, session: String, capabilities: CapabilityCache,
        isFirst: Bool = true, at now: NIODeadline
    ) {
        // The engine refuses such a request, and the refusal must not show what was added.
        let policy = request.lacksInput ? policy.withoutTokenData : policy
        self.policy = policy
        let engine = capabilities.engine(of: request.model(with: policy))
        self.engine = engine
        func prepare(_ limits: InjectionLimits) -> PreparedExchange {
            request.prepared(policy: policy, profile: engine.profile, injectionLimits: limits)
        }
        let unlimited = prepare(InjectionLimits())
        key = CapabilityKey(of: unlimited.request)
        let known = capabilities.knowledge(of: key, in: session, at: now)
        limits = known.capability?.limits ?? InjectionLimits()
        alternativesCap = Self.cap(known, profile: engine.profile, key: key).flatMap { cap in
            cap < policy.topLogprobs ? cap : nil
        }
        let capped = limits.capped(at: alternativesCap)
        prepared = capped == InjectionLimits() ? unlimited : prepare(capped)
        let injection = prepared.request.injection
        isProven = known.capability?.accepted.covers(injection) ?? false
        hasSucceeded = known.capability?.succeeded?.covers(injection) ?? false
        standing = known.capability?.standing
        futileStatuses = known.futileStatuses
        isHopeless =
            isFirst && policy.requirement != nil && capabilities.refuses(key, in: session, at: now)
    }

    private static func cap(_ known: CapabilityKnowledge, profile: EngineProfile, key: CapabilityKey) -> Int? {
        guard key.api == .responses && key.isStream && profile.breaksResponseStreams else {
            return known.alternativesLimit
        }
        // Such a stream breaks off where others are refused, so nothing is tried out.
        return known.provenAlternatives ?? profile.minimumTopLogprobs
    }
}

extension APIRequest {
    /// The model that the engine is asked for.
    fileprivate func model(with policy: RequestPolicy) -> String {
        if let model = policy.modelOverride { return model }
        let text = document.body.span
        return document.object.value("model", in: text)?.string(in: text) ?? ""
    }
}
