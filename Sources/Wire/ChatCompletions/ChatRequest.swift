import JSONBytes

/// A request to `/chat/completions`, its top level located.
package struct ChatRequest: DialectRequest {
    private let body: [UInt8]
    private let object: JSONObject

    package init(body: [UInt8]) throws(RequestError) {
        let object: JSONObject?
        do {
            object = try JSONObject(document: body.span, options: .validUTF8)
        } catch {
            throw RequestError(message: "the request body is not valid JSON: \(error)")
        }
        guard let object else { throw RequestError(message: "the request body must be a JSON object") }
        self.body = body
        self.object = object
    }

    package func prepared(
        policy: RequestPolicy, profile: EngineProfile, allowance: Allowance
    ) -> PreparedRequest {
        var fields = RequestFields(object: object, body: body)
        if policy.goal != .off {
            for (name, value) in policy.sampling { fields.set(name, to: value) }
            applyModel(policy, to: &fields)
            applyTokenLimits(policy, to: &fields)
            if policy.disablesThinking { fields.setNested("enable_thinking", in: "chat_template_kwargs", to: "false") }
        }
        let asked = asked(by: fields)
        let isStream = fields.value("stream") == .word("true")
        let hasTools = fields.value("tools")?.isNonEmptyArray ?? false
        var injection = Injection()
        if policy.wantsTokenData {
            injection = turnOn(
                Situation(asked: asked, isStream: isStream, hasTools: hasTools),
                policy: policy, profile: profile, allowance: allowance, in: &fields)
        }
        return PreparedRequest(
            body: fields.edited(),
            injection: injection,
            clientFields: fields.clientFields,
            isStream: isStream,
            hasTools: hasTools,
            model: fields.value("model")?.string ?? "",
            reply: ChatReply(injection: injection, asked: asked, profile: profile, policy: policy)
        )
    }

    // MARK: Policy

    private func applyModel(_ policy: RequestPolicy, to fields: inout RequestFields) {
        guard let model = policy.modelOverride else { return }
        var text: [UInt8] = []
        text.appendJSONString(model)
        fields.set("model", to: text)
    }

    private func applyTokenLimits(_ policy: RequestPolicy, to fields: inout RequestFields) {
        // A null is no limit, and no engine refuses it.
        if let limit = fields.value("max_tokens"), !limit.isNull,
            Self.refusesMaxTokens(fields.value("model")?.string ?? "")
        {
            fields.remove("max_tokens")
            if fields.value("max_completion_tokens")?.isNull ?? true {
                fields.set("max_completion_tokens", to: limit.text)
            }
        }
        guard let cap = policy.maxTokensCap else { return }
        for name in ["max_tokens", "max_completion_tokens"] {
            if let limit = fields.value(name)?.number, limit > Double(cap) {
                fields.set(name, to: Array(String(cap).utf8))
            }
        }
    }

    /// Whether the model takes `max_completion_tokens` only; judged by the last path component of its name.
    private static func refusesMaxTokens(_ model: String) -> Bool {
        let name = model.split(separator: "/").last?.lowercased() ?? ""
        return ["gpt-5", "o1", "o3", "o4"].contains { name.hasPrefix($0) }
    }

    // MARK: Injection

    /// What the agent itself asked for.
    struct Asked: Hashable, Sendable {
        /// `logprobs` is true.
        var logprobs = false
        /// `return_token_ids` is true.
        var tokenIDs = false
        /// The request is one that the engine itself must answer for, so that nothing may be injected: `top_logprobs`
        /// without `logprobs`, or a `logprobs` that is no boolean.
        var isFaulty = false
        /// `n_probs` is there.
        var nProbs = false
    }

    private struct Situation {
        let asked: Asked
        let isStream: Bool
        let hasTools: Bool
    }

    private func asked(by fields: RequestFields) -> Asked {
        var asked = Asked()
        switch fields.value("logprobs") {
        case nil, .word("null"), .word("false"):
            asked.isFaulty = !(fields.value("top_logprobs")?.isNull ?? true)
        case .word("true"): asked.logprobs = true
        default: asked.isFaulty = true
        }
        asked.tokenIDs = fields.value("return_token_ids") == .word("true")
        asked.nProbs = !(fields.value("n_probs")?.isNull ?? true)
        return asked
    }

    private func turnOn(
        _ situation: Situation, policy: RequestPolicy, profile: EngineProfile, allowance: Allowance,
        in fields: inout RequestFields
    ) -> Injection {
        var injection = Injection()
        let asked = situation.asked
        if asked.isFaulty { return injection }
        if !asked.logprobs && !asked.nProbs && allowance.logprobs {
            var top = max(policy.topLogprobs, profile.minimumTopLogprobs)
            if let maximum = allowance.maximumTopLogprobs { top = min(top, maximum) }
            injection.topLogprobs = top
            if profile.usesNProbsForToolStreams && situation.isStream && situation.hasTools {
                injection.usesNProbs = true
                fields.set("n_probs", to: Array(String(top).utf8))
            } else {
                fields.set("logprobs", to: Array("true".utf8))
                fields.set("top_logprobs", to: Array(String(top).utf8))
            }
        }
        if policy.goal == .tokens && profile.takesReturnTokenIDs && !asked.tokenIDs && allowance.tokenIDs {
            injection.tokenIDs = true
            fields.set("return_token_ids", to: Array("true".utf8))
        }
        return injection
    }
}
