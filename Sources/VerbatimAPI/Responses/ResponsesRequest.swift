import VerbatimJSON
import VerbatimPlatform

/// A request to `/responses`.
struct ResponsesRequest: APIRequest {
    package let document: RequestDocument

    package var lacksInput: Bool {
        let fields = RequestFields(document)
        if let input = fields.value("input"), !input.isNull { return input.isNumberOrBoolean }
        // These bring an input of their own.
        return ["prompt", "previous_response_id", "conversation"].allSatisfy { fields.value($0)?.isNull ?? true }
    }

    package var expectation: ExpectedReply {
        ExpectedReply(RequestFields(document), of: .responses, formats: [["text", "format"]])
    }

    package func prepared(policy: RequestPolicy, profile: EngineProfile, injectionLimits: InjectionLimits)
        -> PreparedExchange
    {
        var fields = RequestFields(document, policy: policy, limits: ["max_output_tokens"])
        let requestKind = EngineProfile.RequestKind(.responses, isStream: fields.isStream, hasTools: fields.hasTools)
        let echoes = ResponseEchoes(fields)
        let givesTokens = !Self.isBackground(fields) && profile.givesResponseTokens(ofModel: fields.model)
        let asked =
            givesTokens
            ? Self.asked(by: fields, ids: profile.tokenDataRequest(in: requestKind).ids) : AgentRequestedData()
        var injection = Injection()
        if givesTokens {
            injection = profile.injection(
                in: requestKind, asked: asked, policy: policy, injectionLimits: injectionLimits)
        }
        fields.apply(injection)
        let state = ReplyState(injection: injection, policy: policy, requestKind: requestKind, profile: profile)
        let request = PreparedRequest(
            fields, asked: asked, injection: injection, in: requestKind, profile: profile)
        return PreparedExchange(request: request, reply: ResponsesReplyParser(state, echoes: echoes))
    }

    /// The reply is a response that has not begun. The agent fetches the result in another exchange, which the proxy
    /// does not restore, so nothing may be injected.
    private static func isBackground(_ fields: RequestFields) -> Bool { fields.value("background")?.isTrue ?? false }

    /// The engine refuses an `include` that is no list, or that is absurdly long.
    private static func asked(by fields: RequestFields, ids: [EngineProfile.IDField]) -> AgentRequestedData {
        var asked = AgentRequestedData()
        if let include = fields.value("include"), !include.isNull {
            asked.logprobs = include.holds(ResponseEchoes.includedLogprobs)
            asked.isMalformed = !include.isArray || include.isTooLarge
        }
        asked.ids = fields.asked(for: ids)
        return asked
    }
}

extension EngineProfile {
    /// Whether a model gives token data in this API.
    fileprivate func givesResponseTokens(ofModel model: String) -> Bool {
        let model = model.lowercased()
        return !self.modelsWithoutResponseTokens.contains { model.contains(text: $0) }
    }
}
