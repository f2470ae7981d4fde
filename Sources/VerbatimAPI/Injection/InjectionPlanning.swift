import VerbatimSchema

extension EngineProfile {
    /// What is to be turned on in a request.
    func injection(
        in requestKind: RequestKind, asked: AgentRequestedData, policy: RequestPolicy, injectionLimits: InjectionLimits
    ) -> Injection {
        var injection = Injection()
        guard policy.wantsTokenData, !asked.isMalformed else { return injection }
        let request = tokenDataRequest(in: requestKind)
        if request.logprobs != .never && !asked.logprobs && injectionLimits.logprobs {
            var top = max(policy.topLogprobs, self.minimumTopLogprobs)
            for maximum in [self.maximumTopLogprobs, injectionLimits.maximumTopLogprobs] {
                if let maximum { top = min(top, maximum) }
            }
            injection.topLogprobs = top
            injection.logprobs = request.logprobs
        }
        if policy.goal == .tokens && injectionLimits.tokenIDs {
            let isStreamWithStops = requestKind.isStream && asked.hasStops
            let ids = isStreamWithStops ? request.ids + self.idsOfStreamsWithStops : request.ids
            injection.ids = ids.filter { !asked.ids.contains($0) && !asked.requestedByAnyEngineField.contains($0) }
        }
        return injection
    }

    /// The highest capture level that a reply to a request can give.
    func bestPossibleLevel(in requestKind: RequestKind, asked: AgentRequestedData, injection: Injection)
        -> CaptureLevel
    {
        // Most engines refuse such a request. One that does not gives nothing.
        if asked.isMalformed { return .text }
        let canLogprobs = tokenDataRequest(in: requestKind).logprobs != .never
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
    /// Sets the fields of an injection.
    mutating func apply(_ injection: Injection) {
        if let top = injection.topLogprobs {
            switch injection.logprobs {
            case .never: break
            case .flag:
                turnOn("logprobs")
                set("top_logprobs", to: top)
            case .flagOnly: turnOn("logprobs")
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
