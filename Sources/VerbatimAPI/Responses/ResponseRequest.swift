import VerbatimJSON
import VerbatimPlatform

/// A request to `/responses`.
struct ResponseRequest: APIRequest {
    package let document: RequestDocument

    package func prepared(policy: RequestPolicy, profile: EngineProfile, injectionLimits: InjectionLimits)
        -> PreparedExchange
    {
        var fields = RequestFields(document, policy: policy, limits: ["max_output_tokens"])
        let situation = EngineProfile.Situation(.responses, isStream: fields.isStream, hasTools: fields.hasTools)
        let echoes = ResponseEchoes(fields)
        let givesTokens = !Self.isBackground(fields) && profile.givesResponseTokens(ofModel: fields.model)
        let asked = givesTokens ? Self.asked(by: fields, ids: profile.asking(in: situation).ids) : ClientRequestedData()
        var injection = Injection()
        if givesTokens {
            injection = profile.injection(in: situation, asked: asked, policy: policy, injectionLimits: injectionLimits)
        }
        fields.apply(injection)
        let state = ReplyState(injection: injection, policy: policy, situation: situation, profile: profile)
        let request = PreparedRequest(
            fields, asked: asked, injection: injection, in: situation, profile: profile)
        return PreparedExchange(request: request, reply: ResponsesReplyParser(state, echoes: echoes))
    }

    /// The reply is a response that has not begun; token data would come in one that is asked for later, and stay there.
    private static func isBackground(_ fields: RequestFields) -> Bool { fields.value("background")?.isTrue ?? false }

    /// An `include` that is no list is for the engine to refuse.
    private static func asked(by fields: RequestFields, ids: [EngineProfile.IDRequest]) -> ClientRequestedData {
        var asked = ClientRequestedData()
        if let include = fields.value("include"), !include.isNull {
            asked.logprobs = include.holds(ResponseEchoes.includedLogprobs)
            asked.isMalformed = include.text.first != UInt8(ascii: "[")
        }
        asked.ids = fields.asked(for: ids)
        return asked
    }
}

extension EngineProfile {
    /// Whether a model gives token data in the dialect `responses`.
    fileprivate func givesResponseTokens(ofModel model: String) -> Bool {
        let model = model.lowercased()
        return !self.modelsWithoutResponseTokens.contains { model.contains(text: $0) }
    }
}
