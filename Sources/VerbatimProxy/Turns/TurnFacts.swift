import VerbatimAPI

/// What does not change while a turn lasts.
struct TurnFacts {
    var turn: Int
    var identity: SessionIdentity
    /// The root session; nil stands for the session itself.
    var rolloutID: String?
    /// The turn that this one repeats.
    var retryOf: Int?
    var api: API
    var path: String
    /// Unix time of arrival, in seconds.
    var timestamp: Double
    var policy: RequestPolicy
    var maximumReplySize: Int
    var maximumEventSize: Int
    /// What no record may contain.
    var secrets = Secrets()
    /// The session that the agent's key is bound to.
    var boundSession: String?

    /// Whose findings about the engine the turn shares.
    var origin: String { identity.origin(boundTo: boundSession) }
}
