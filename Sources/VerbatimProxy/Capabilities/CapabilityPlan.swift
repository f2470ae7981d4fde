import NIOCore
import VerbatimAPI

/// How a request is forwarded, given what is known of the engine at that moment.
struct CapabilityPlan {
    let key: CapabilityKey
    let prepared: PreparedExchange
    /// What the engine is known to accept; everything if nothing is known.
    let limits: InjectionLimits
    /// The engine has accepted such an injection before.
    var isProven = false
    /// The limits come from a rejection that is not confirmed yet (``CapabilityFinding/rejected(leaving:)``).
    var isTentative = false
    /// Turns with this key keep falling short of the required capture level although the engine rejects nothing.
    let isHopeless: Bool
    let engine: EngineIdentity

    init(
        _ request: any APIRequest, policy: RequestPolicy, capabilities: CapabilityCache, at now: NIODeadline
    ) {
        engine = capabilities.engine
        let unlimited = request.prepared(policy: policy, profile: engine.profile, injectionLimits: InjectionLimits())
        key = CapabilityKey(of: unlimited.request)
        isHopeless = policy.requirement != nil && capabilities.isHopeless(key, at: now)
        guard let known = capabilities.capability(for: key, at: now) else {
            prepared = unlimited
            limits = InjectionLimits()
            return
        }
        limits = known.limits
        prepared =
            limits == InjectionLimits()
            ? unlimited : request.prepared(policy: policy, profile: engine.profile, injectionLimits: limits)
        isProven = known.accepted.covers(prepared.request.injection)
        isTentative = known.isTentative
    }
}
