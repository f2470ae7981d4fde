import NIOCore
import VerbatimAPI

/// What an engine has been found to accept, under one ``CapabilityKey``.
struct CachedCapability {
    /// What may be injected.
    let limits: InjectionLimits
    /// What has been injected within these limits and accepted. An agent may request some of the data itself, so that
    /// one turn need not inject everything that is allowed.
    var accepted: Injection
    var expiry: NIODeadline
    /// It rests on a rejection alone: the engine has not accepted an injection within these limits yet.
    var isTentative = false
}
