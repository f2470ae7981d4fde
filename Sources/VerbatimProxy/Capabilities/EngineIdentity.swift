import VerbatimAPI

/// Which engine the proxy takes the upstream for, and why.
struct EngineIdentity: Equatable {
    /// The raw values are those of a record's `engine_source`.
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
        /// The wording of an error that rejected an injection.
        case refusal
    }

    let profile: EngineProfile
    /// Nil while the engine is not recognized; the profile is then the generic one.
    let evidence: Evidence?

    /// The operator named the engine, so that nothing it sends changes the profile.
    var isFixed: Bool { evidence == .setting }
}
