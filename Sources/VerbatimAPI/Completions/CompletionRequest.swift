import VerbatimJSON

/// A request to `/completions`.
struct CompletionRequest: APIRequest {
    package let document: RequestDocument
    /// The number of elements of `prompt`. It may have millions, so they are counted once for all attempts.
    private let promptLength: Int?

    init(document: RequestDocument) {
        self.document = document
        promptLength = RequestFields(document).value("prompt")?.elementCount
    }

    package var lacksInput: Bool {
        let fields = RequestFields(document)
        if let prompt = fields.value("prompt"), !prompt.isNull { return prompt.isNumberOrBoolean }
        return fields.value("prompt_embeds")?.isNull ?? true
    }

    package var expectation: ExpectedReply {
        let fields = RequestFields(document)
        return ExpectedReply(
            fields, of: .completions, choices: choiceCount(in: fields), formats: [["response_format"]])
    }

    package func prepared(policy: RequestPolicy, profile: EngineProfile, injectionLimits: InjectionLimits)
        -> PreparedExchange
    {
        var fields = RequestFields(document, policy: policy, limits: ["max_tokens"])
        let requestKind = EngineProfile.RequestKind(.completions, isStream: fields.isStream, hasTools: false)
        let asked = asked(by: fields, ids: profile.tokenDataRequest(in: requestKind).ids)
        var injection = profile.injection(
            in: requestKind, asked: asked, policy: policy, injectionLimits: injectionLimits)
        let echo = fields.value("echo")?.isTrue ?? false ? echoedPrompt(in: fields) : nil
        // vLLM omits the echoed prompt from the text if ids are asked for, and breaks off a stream of several choices
        // if log-probabilities are.
        if echo != nil { injection.ids = [] }
        if echo != nil && requestKind.isStream && fields.choiceCount > 1 { injection = Injection() }
        fields.apply(injection)
        let state = ReplyState(injection: injection, policy: policy, requestKind: requestKind, profile: profile)
        let request = PreparedRequest(
            fields, asked: asked, injection: injection, in: requestKind, profile: profile)
        return PreparedExchange(request: request, reply: ChatReplyParser(state, asked: asked, echo: echo))
    }

    /// `logprobs` is a number here. The engine refuses any other value, and `logprob_token_ids` without it.
    private func asked(by fields: RequestFields, ids: [EngineProfile.IDField]) -> AgentRequestedData {
        var asked = AgentRequestedData()
        if let logprobs = fields.value("logprobs"), !logprobs.isNull {
            if logprobs.number == nil { asked.isMalformed = true } else { asked.logprobs = true }
        } else if !(fields.value("logprob_token_ids")?.isNull ?? true) {
            asked.isMalformed = true
        }
        asked.choices = choiceCount(in: fields)
        asked.hasStops = !(fields.value("stop")?.isNull ?? true)
        asked.ids = fields.asked(for: ids)
        asked.requestedByAnyEngineField = fields.asked(for: EngineProfile.idFields)
        return asked
    }

    /// Each prompt has its own choices.
    private func choiceCount(in fields: RequestFields) -> Int { fields.choiceCount * promptCount(in: fields) }

    private func promptCount(in fields: RequestFields) -> Int {
        guard let prompt = fields.value("prompt"), let kind = prompt.firstElementKind,
            kind == .string || kind == .array
        else { return 1 }
        return promptLength ?? 1
    }

    private func echoedPrompt(in fields: RequestFields) -> EchoedPrompt {
        var prompt = EchoedPrompt()
        prompt.hasOwnLogprobs = !(fields.value("prompt_logprobs")?.isNull ?? true)
        guard let sent = fields.value("prompt"), let count = promptLength else { return prompt }
        if sent.firstElementKind == .number {
            prompt.tokenCount = count
        } else {
            prompt.isSingle = count <= 1
        }
        return prompt
    }
}
