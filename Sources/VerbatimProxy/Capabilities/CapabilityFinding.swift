import VerbatimAPI

/// What a turn has found out about the engine, for all turns with the same ``CapabilityKey``, or for those of its
/// session.
enum CapabilityFinding: Equatable {
    /// A reply identifies the engine.
    case recognized(EngineProfile, by: EngineIdentity.Evidence)
    /// The engine accepted this injection, which was made within these limits.
    case accepted(Injection, limits: InjectionLimits)
    /// The turn with this injection came to its end.
    case succeeded(Injection)
    /// The engine rejected the injection and left these limits. The engine has not accepted an injection within them
    /// yet.
    case rejected(leaving: InjectionLimits)
    /// The turn that reported ``rejected(leaving:)`` ended before the engine accepted anything, or one that injected
    /// less because of a late failure failed as well.
    case unconfirmed
    /// A turn failed with the injection for a reason that may be another. It succeeded with less if `isLate` is false;
    /// else it could not be repeated.
    case presumed(leaving: InjectionLimits, isLate: Bool)
    /// A turn that injected less because of a late failure has succeeded.
    case confirmed
    /// A turn failed with this status, and so did its repeat without the injection.
    case futile(status: Int)
    /// The engine rejects what it used to accept.
    case revoked
    /// The turn was the probe of its key, and the turns that wait for it may go on.
    case probeEnded
    /// The version that the engine states in its reply.
    case version([UInt8])
    /// The turn is complete; it was captured at the level that the operator requires, or below it.
    case requirement(isMet: Bool)
}
