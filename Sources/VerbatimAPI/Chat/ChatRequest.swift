/// A request to `/chat/completions`.
struct ChatRequest: APIRequest {
    package let document: RequestDocument

    package var lacksInput: Bool { !(RequestFields(document).value("messages")?.isArray ?? false) }

    package var expectation: ExpectedReply {
        let fields = RequestFields(document)
        return ExpectedReply(fields, of: .chatCompletions, choices: fields.choiceCount, formats: [["response_format"]])
    }

    package func prepared(policy: RequestPolicy, profile: EngineProfile, injectionLimits: InjectionLimits)
        -> PreparedExchange
    {
        var fields = RequestFields(document)
        if policy.goal != .off {
            fields.apply(policy)
            Self.renameMaxTokens(in: &fields)
            // Some engines take 0 for an absent limit in this API.
            fields.cap(Self.limits(for: fields.model), acceptsZero: false, by: policy)
            if policy.disablesThinking { fields.setNested("enable_thinking", in: "chat_template_kwargs", to: "false") }
        }
        let requestKind = EngineProfile.RequestKind(
            .chatCompletions, isStream: fields.isStream, hasTools: fields.hasTools)
        var asked = Self.asked(by: fields, ids: profile.tokenDataRequest(in: requestKind).ids)
        if asked.logprobs && Self.turnsLogprobsOff(fields, of: profile, in: requestKind) {
            asked.logprobs = false
            asked.logprobsAreOff = true
        }
        // vLLM gives as many alternatives for each token of an echoed prompt.
        let echoes = fields.value("echo")?.isTrue ?? false
        let injection = profile.injection(
            in: requestKind, asked: asked, policy: policy,
            injectionLimits: echoes ? injectionLimits.capped(at: profile.minimumTopLogprobs) : injectionLimits)
        fields.apply(injection)
        let state = ReplyState(injection: injection, policy: policy, requestKind: requestKind, profile: profile)
        let request = PreparedRequest(
            fields, asked: asked, injection: injection, in: requestKind, profile: profile)
        return PreparedExchange(
            request: request, reply: ChatReplyParser(state, asked: asked, messages: fields.value("messages")))
    }

    // MARK: Policy

    /// Some models accept `max_completion_tokens` only.
    private static func renameMaxTokens(in fields: inout RequestFields) {
        // Engines accept null, which sets no limit.
        guard let limit = fields.value("max_tokens"), !limit.isNull, refusesMaxTokens(fields.model) else { return }
        fields.remove("max_tokens")
        if fields.value("max_completion_tokens")?.isNull ?? true {
            fields.set("max_completion_tokens", to: limit.text)
        }
    }

    /// The names of the limit, the one that the model accepts first.
    private static func limits(for model: String) -> [String] {
        refusesMaxTokens(model) ? ["max_completion_tokens", "max_tokens"] : ["max_tokens", "max_completion_tokens"]
    }

    /// Decided by the last path component of the model's name.
    private static func refusesMaxTokens(_ model: String) -> Bool {
        let name = model.utf8.split(separator: UInt8(ascii: "/")).last ?? Substring().utf8
        return ["gpt-5", "o1", "o3", "o4"].contains { prefix in
            name.count >= prefix.utf8.count && zip(name, prefix.utf8).allSatisfy { $0 | 0x20 == $1 | 0x20 }
        }
    }

    // MARK: Injection

    /// Whether the engine gives no log-probabilities although `logprobs` asks for them, because of `top_logprobs`.
    private static func turnsLogprobsOff(
        _ fields: RequestFields, of profile: EngineProfile, in requestKind: EngineProfile.RequestKind
    ) -> Bool {
        guard profile.tokenDataRequest(in: requestKind).logprobs == .flag, fields.value("n_probs")?.isNull ?? true,
            let top = fields.value("top_logprobs")
        else { return false }
        if top.isNull { return profile.nullTopLogprobsMeansNone }
        return top.number.map { $0 >= 0 && $0 < Double(profile.minimumTopLogprobs) } ?? false
    }

    /// Engines refuse `top_logprobs` and `logprob_token_ids` without `logprobs`, and a `logprobs` that is no
    /// boolean.
    private static func asked(by fields: RequestFields, ids: [EngineProfile.IDField]) -> AgentRequestedData {
        var asked = AgentRequestedData()
        let logprobs = fields.value("logprobs")
        if logprobs?.isTrue ?? false {
            asked.logprobs = true
        } else if logprobs?.isNull ?? true || logprobs?.isFalse ?? false {
            asked.isMalformed = ["top_logprobs", "logprob_token_ids"].contains {
                !(fields.value($0)?.isNull ?? true)
            }
        } else {
            asked.isMalformed = true
        }
        if !(fields.value("n_probs")?.isNull ?? true) { asked.logprobs = true }
        asked.choices = fields.choiceCount
        asked.hasStops = !(fields.value("stop")?.isNull ?? true)
        asked.ids = fields.asked(for: ids)
        asked.requestedByAnyEngineField = fields.asked(for: EngineProfile.idFields)
        return asked
    }
}
