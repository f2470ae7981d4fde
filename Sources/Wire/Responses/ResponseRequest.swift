/// A request to `/responses`.
struct ResponseRequest: DialectRequest {
    package let document: RequestDocument

    init(_ document: RequestDocument) { self.document = document }

    package func prepared(policy: RequestPolicy, profile: EngineProfile, allowance: Allowance) -> PreparedRequest {
        let fields = RequestFields(document)
        let situation = EngineProfile.Situation(.responses, isStream: fields.isStream, hasTools: fields.hasTools)
        let injection = Injection()
        let state = ReplyState(injection: injection, policy: policy, situation: situation, profile: profile)
        return PreparedRequest(
            fields, asked: Asked(), reply: ChoicesReply(state, asked: Asked()))
    }
}
