/// A request to `/messages`, Anthropic's API.
///
/// No engine gives token data in this API: the converters of vLLM, SGLang and llama.cpp have no field for them. So
/// nothing is injected, and only the policy changes a request.
struct MessagesRequest: APIRequest {
    package let document: RequestDocument

    package var expectation: ExpectedReply {
        ExpectedReply(
            RequestFields(document), of: .messages, formats: [["output_config", "format"], ["output_format"]])
    }

    package func prepared(policy: RequestPolicy, profile: EngineProfile, injectionLimits: InjectionLimits)
        -> PreparedExchange
    {
        let fields = RequestFields(document, policy: policy, limits: ["max_tokens"])
        let requestKind = EngineProfile.RequestKind(.messages, isStream: fields.isStream, hasTools: fields.hasTools)
        let state = ReplyState(injection: Injection(), policy: policy, requestKind: requestKind, profile: profile)
        let request = PreparedRequest(
            fields, asked: AgentRequestedData(), injection: Injection(), in: requestKind, profile: profile)
        return PreparedExchange(request: request, reply: MessagesReplyParser(state))
    }
}
