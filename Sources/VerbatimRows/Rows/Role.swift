/// What a model call was made for.
package enum Role: String, CaseIterable, Sendable {
    case agent
    case subagent
    /// A call beside the conversation: a title, a topic, a probe of a quota.
    case auxiliary
    /// The agent had the model write a summary, and began a new conversation with it.
    case compaction
    /// An attempt at a request that was repeated. It is not trained.
    case retry
    /// A sample that the agent did not use. It is not trained.
    case discarded

    /// Whether tokens with this role may be trained.
    package var isTrained: Bool {
        switch self {
        case .agent, .subagent, .auxiliary, .compaction: true
        case .retry, .discarded: false
        }
    }
}

/// The evidence for a role.
package enum RoleReason: String, Sendable {
    /// Nothing speaks for another role.
    case byDefault = "default"
    /// The session has a parent.
    case parentSession = "parent_session"
    /// The request has no tools, and all others of the session have.
    case noTools = "no_tools"
    /// The request allows one token at most.
    case oneToken = "one_token"
    /// The request asks for another model than most of the session's.
    case otherModel = "other_model"
    /// A later conversation of the session begins with what was said.
    case openingOfLater = "opening_of_later"
    /// Another attempt at the same request was continued or delivered.
    case otherAttempt = "other_attempt"
    /// Another sample of the same prompt was continued.
    case otherSampleContinued = "other_sample_continued"
    /// A later sample of the same prompt was kept; none was continued.
    case laterSample = "later_sample"
    /// Another choice of the same reply was continued.
    case otherChoiceContinued = "unused_choice"
    /// The agent did not receive the whole reply, and did not continue it.
    case notDelivered = "not_delivered"
}
