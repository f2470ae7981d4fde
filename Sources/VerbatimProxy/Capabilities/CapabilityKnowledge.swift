import VerbatimAPI

/// What is known when a turn begins.
struct CapabilityKnowledge {
    /// What the engine is known to accept; nil if that has to be found out.
    var capability: CachedCapability?
    /// The most alternatives that the engine allows for this model, as found out in any API.
    var alternativesLimit: Int?
    /// The most that are known to work.
    var provenAlternatives: Int?
    /// The statuses of failures that a repeat has lately shown to have another cause than the injection.
    var futileStatuses: [Int] = []
}
