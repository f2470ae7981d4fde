import VerbatimJSON

/// A request to `/completions`.
struct CompletionRequest: APIRequest {
    package let document: RequestDocument

    package func prepared(policy: RequestPolicy, profile: EngineProfile, injectionLimits: InjectionLimits)
        -> PreparedExchange
    {
        var fields = RequestFields(document, policy: policy, limits: ["max_tokens"])
        let situation = EngineProfile.Situation(.completions, isStream: fields.isStream, hasTools: false)
        let asked = Self.asked(by: fields, ids: profile.asking(in: situation).ids)
        var injection = profile.injection(in: situation, asked: asked, policy: policy, injectionLimits: injectionLimits)
        let echo = fields.value("echo")?.isTrue ?? false ? Self.echoedPrompt(in: fields) : nil
        // vLLM leaves the echoed prompt out of the text if ids are asked for.
        if echo != nil { injection.ids = [] }
        fields.apply(injection)
        let state = ReplyState(injection: injection, policy: policy, situation: situation, profile: profile)
        let request = PreparedRequest(
            fields, asked: asked, injection: injection, in: situation, profile: profile)
        return PreparedExchange(request: request, reply: ChatReplyParser(state, asked: asked, echo: echo))
    }

    /// `logprobs` is a number here; anything else is for the engine to refuse.
    private static func asked(by fields: RequestFields, ids: [EngineProfile.IDRequest]) -> ClientRequestedData {
        var asked = ClientRequestedData()
        if let logprobs = fields.value("logprobs"), !logprobs.isNull {
            if logprobs.number == nil { asked.isMalformed = true } else { asked.logprobs = true }
        }
        asked.choices = fields.choiceCount * Self.promptCount(in: fields)
        asked.hasStops = !(fields.value("stop")?.isNull ?? true)
        asked.ids = fields.asked(for: ids)
        asked.requestedByAnyEngineField = fields.asked(for: EngineProfile.idRequests)
        return asked
    }

    /// Each of several prompts has choices of its own.
    private static func promptCount(in fields: RequestFields) -> Int {
        guard let text = fields.value("prompt")?.text, let kind = try? JSONCursor.firstKind(inArray: text.span),
            kind == .string || kind == .array
        else { return 1 }
        return JSONList(array: text.span)?.count ?? 1
    }

    private static func echoedPrompt(in fields: RequestFields) -> EchoedPrompt {
        var prompt = EchoedPrompt()
        prompt.hasOwnLogprobs = !(fields.value("prompt_logprobs")?.isNull ?? true)
        guard let text = fields.value("prompt")?.text, let list = JSONList(array: text.span) else { return prompt }
        if (try? JSONCursor.firstKind(inArray: text.span)) == .number {
            prompt.tokenCount = list.count
        } else {
            prompt.isSingle = list.count <= 1
        }
        return prompt
    }
}

extension JSONCursor {
    /// The kind of an array's first element; `nil` if it is empty.
    fileprivate static func firstKind(inArray text: Span<UInt8>) throws(JSONError) -> JSONKind? {
        var cursor = JSONCursor()
        try cursor.enterArray(in: text)
        return try cursor.nextElement(in: text) ? try cursor.peekKind(in: text) : nil
    }
}
