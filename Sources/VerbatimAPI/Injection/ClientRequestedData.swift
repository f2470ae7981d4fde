import VerbatimSchema

/// What the agent itself asked for, in whatever way its dialect has.
struct ClientRequestedData: Hashable, Sendable {
    var logprobs = false
    /// The fields that ask for token ids, as the profile in force knows them.
    var ids: [EngineProfile.IDRequest] = []
    /// The fields that ask any engine for token ids: which one it is may turn out later.
    var requestedByAnyEngineField: [EngineProfile.IDRequest] = []
    /// The request is one that the engine itself must answer for, so that nothing may be injected.
    var isMalformed = false
    /// How many choices there must be.
    var choices = 1
    /// Whether there are texts at which the engine is to stop.
    var hasStops = false
}

extension EngineProfile {
    /// What is to be turned on in a request, and in how many alternatives.
    func injection(
        in situation: Situation, asked: ClientRequestedData, policy: RequestPolicy, injectionLimits: InjectionLimits
    ) -> Injection {
        var injection = Injection()
        guard policy.wantsTokenData, !asked.isMalformed else { return injection }
        let asking = asking(in: situation)
        if asking.logprobs != .never && !asked.logprobs && injectionLimits.logprobs {
            var top = max(policy.topLogprobs, self.minimumTopLogprobs)
            for maximum in [self.maximumTopLogprobs, injectionLimits.maximumTopLogprobs] {
                if let maximum { top = min(top, maximum) }
            }
            injection.topLogprobs = top
            injection.logprobs = asking.logprobs
        }
        if policy.goal == .tokens && injectionLimits.tokenIDs {
            injection.ids = asking.ids.filter { !asked.ids.contains($0) }
        }
        return injection
    }

    /// The most that a request can give.
    func bestPossibleLevel(in situation: Situation, asked: ClientRequestedData, injection: Injection) -> CaptureLevel {
        // The engine's answer to such a request is no turn to train on anyway.
        if asked.isMalformed { return .tokens }
        let canLogprobs = asking(in: situation).logprobs != .never
        let hasLogprobs = canLogprobs && (asked.logprobs || injection.topLogprobs != nil)
        let hasIDs =
            !asked.ids.isEmpty || !injection.ids.isEmpty
            || (hasLogprobs && (self.entriesCarryIDs || self == .generic))
        return switch (hasIDs, hasLogprobs) {
        case (true, true): .tokens
        case (false, true): .logprobs
        case (true, false): .ids
        case (false, false): .text
        }
    }
}

extension RequestFields {
    /// The fields among `ids` that the agent has set itself.
    func asked(for ids: [EngineProfile.IDRequest]) -> [EngineProfile.IDRequest] {
        ids.filter { id in
            switch id {
            case .flag(let name): value(name)?.isTrue ?? false
            case .member(let member, let list, let parent): value(list, in: parent)?.holds(member) ?? false
            }
        }
    }

    /// Turns on what `injection` says.
    mutating func apply(_ injection: Injection) {
        if let top = injection.topLogprobs {
            switch injection.logprobs {
            case .never: break
            case .flag:
                turnOn("logprobs")
                set("top_logprobs", to: top)
            case .count: set("logprobs", to: top)
            case .nProbs: set("n_probs", to: top)
            case .included:
                append("message.output_text.logprobs", toList: "include")
                if value("top_logprobs")?.isNull ?? true { set("top_logprobs", to: top) }
            }
        }
        for id in injection.ids {
            switch id {
            case .flag(let name): turnOn(name)
            case .member(let member, let list, let parent): append(member, toList: list, of: parent)
            }
        }
    }
}
