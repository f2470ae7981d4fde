import VerbatimAPI

/// What a turn has found out about the engine, for all turns with the same ``CapabilityKey``.
enum CapabilityFinding: Equatable {
    /// A reply identifies the engine.
    case recognized(EngineProfile, by: EngineIdentity.Evidence)
    /// The engine accepted this injection, which was made within these limits.
    case accepted(Injection, limits: InjectionLimits)
    /// The engine rejected the injection and left these limits. The engine has not accepted an injection within them
    /// yet.
    case rejected(leaving: InjectionLimits)
    /// The turn that reported ``rejected(leaving:)`` ended before the engine accepted anything.
    case unconfirmed
    /// The engine rejects what it used to accept.
    case revoked
    /// The turn was the probe of its key, and the turns that wait for it may go on.
    case probeEnded
    /// The version that the engine states in its reply.
    case version([UInt8])
    /// The turn is complete; it was captured at the level that the operator requires, or below it.
    case requirement(isMet: Bool)
}
