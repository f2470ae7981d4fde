/// What the agent itself asked for, in the terms of its API.
struct AgentRequestedData: Hashable, Sendable {
    var logprobs = false
    /// The agent wants log-probabilities, but the engine gives none for what else it asked for.
    var logprobsAreOff = false
    /// The fields for token ids that the agent has set, of those that the profile in force knows.
    var ids: [EngineProfile.IDField] = []
    /// The same, of those that any engine knows. The engine may be recognized as late as in its reply.
    var requestedByAnyEngineField: [EngineProfile.IDField] = []
    /// The engine will refuse the request for what the agent sent, so nothing may be injected.
    var isMalformed = false
    /// How many choices the reply must have.
    var choices = 1
    /// Whether the request has stop strings.
    var hasStops = false
}

extension RequestFields {
    /// The fields among `ids` that the agent has set itself.
    func asked(for ids: [EngineProfile.IDField]) -> [EngineProfile.IDField] {
        ids.filter { id in
            switch id {
            case .flag(let name): value(name)?.isTrue ?? false
            case .member(let member, let list, let parent): value(list, in: parent)?.holds(member) ?? false
            }
        }
    }
}
