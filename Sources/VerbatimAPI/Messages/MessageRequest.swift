/// A request to `/messages`, Anthropic's API.
///
/// No engine gives token data in this dialect: vLLM's, SGLang's and llama.cpp's converters know no field that asks for
/// them. So nothing is ever injected, and only the policy changes a request.
struct MessageRequest: APIRequest {
    package let document: RequestDocument

    package func prepared(policy: RequestPolicy, profile: EngineProfile, injectionLimits: InjectionLimits)
        -> PreparedExchange
    {
        let fields = RequestFields(document, policy: policy, limits: ["max_tokens"])
        let situation = EngineProfile.Situation(.messages, isStream: fields.isStream, hasTools: fields.hasTools)
        let state = ReplyState(injection: Injection(), policy: policy, situation: situation, profile: profile)
        let request = PreparedRequest(
            fields, asked: ClientRequestedData(), injection: Injection(), in: situation, profile: profile)
        return PreparedExchange(request: request, reply: MessagesReplyParser(state))
    }
}
