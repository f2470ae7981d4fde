import VerbatimAPI

/// Which engine serves which model: routers serve models of several engines at one address.
struct RecognizedEngines {
    /// What is assumed of a model whose engine is not known: what the host, or the list of models, says of all.
    private(set) var common: EngineIdentity
    private var byModel: [String: EngineIdentity] = [:]
    private let capacity: Int

    init(common: EngineIdentity, capacity: Int) {
        self.common = common
        self.capacity = capacity
    }

    func engine(of model: String) -> EngineIdentity { byModel[model] ?? common }

    /// - Returns: Whether this is new.
    mutating func note(_ profile: EngineProfile, by evidence: EngineIdentity.Evidence, of model: String) -> Bool {
        let known = engine(of: model)
        if known.evidence != nil && known.profile == profile { return false }
        if byModel.count >= capacity, byModel[model] == nil, let other = byModel.keys.first { byModel[other] = nil }
        byModel[model] = EngineIdentity(profile: profile, evidence: evidence)
        return true
    }

    /// - Returns: Whether this is new.
    mutating func noteCommon(_ profile: EngineProfile, by evidence: EngineIdentity.Evidence) -> Bool {
        if common.evidence != nil && common.profile == profile { return false }
        common = EngineIdentity(profile: profile, evidence: evidence)
        return true
    }
}
