/// A request to `/messages`, Anthropic's API.
///
/// No engine gives token data in this dialect: vLLM's, SGLang's and llama.cpp's converters know no field that asks for
/// them. So nothing is ever injected, and only the policy changes a request.
struct MessageRequest: DialectRequest {
    package let document: RequestDocument

    package func prepared(policy: RequestPolicy, profile: EngineProfile, allowance: Allowance) -> PreparedRequest {
        let fields = RequestFields(document, policy: policy, limits: ["max_tokens"])
        let situation = EngineProfile.Situation(.messages, isStream: fields.isStream, hasTools: fields.hasTools)
        let state = ReplyState(injection: Injection(), policy: policy, situation: situation, profile: profile)
        return PreparedRequest(fields, asked: Asked(), reply: MessageReply(state))
    }
}
