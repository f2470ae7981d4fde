import VerbatimJSON

/// Which parts of a chat completion or a completion exist only because of the injection, and how to restore them.
struct ChatReplyRestoration: Sendable {
    let requestKind: EngineProfile.RequestKind
    let asked: AgentRequestedData
    let injection: Injection
    /// What is known of a prompt that the reply repeats; `nil` if it does not.
    let echo: EchoedPrompt?
    private let messages: RequestFields.Value?
    /// Whether ids of the completion, and of the prompt alone, are there because of the injection.
    private let injectsIDs: Bool
    private let injectsPromptIDs: Bool

    init(
        requestKind: EngineProfile.RequestKind, asked: AgentRequestedData, injection: Injection, echo: EchoedPrompt?,
        messages: RequestFields.Value?
    ) {
        self.requestKind = requestKind
        self.asked = asked
        self.injection = injection
        self.echo = echo
        self.messages = messages
        injectsIDs = injection.ids.contains(.completionIDs)
        injectsPromptIDs = injection.ids.contains(.promptIDs)
    }

    var api: API { requestKind.api }

    /// Whether the reply may begin with the text of the last message, which it continues. llama.cpp repeats that text,
    /// and vLLM does so if it is asked to.
    var continuesAMessage: Bool {
        guard let text = messages?.text, let last = JSONList(array: text.span)?.elements.last else { return false }
        return Array(last).member("role") == Array(#""assistant""#.utf8)
    }

    /// Whether a field's value is there because of the injection.
    func isInjected(_ field: TokenField, engine: EngineProfile) -> Bool {
        switch field {
        case .logprobs: injection.topLogprobs != nil
        case .promptLogprobs: injection.topLogprobs != nil && !(echo?.hasOwnLogprobs ?? true)
        case .tokenIDs, .responseTokenIDs: injectsIDs
        case .promptTokenIDs: hasInjectedPromptIDs(engine: engine)
        }
    }

    /// One flag turns on both kinds of ids, unless the engine has another for those of the prompt.
    func hasInjectedPromptIDs(engine: EngineProfile) -> Bool {
        if injectsPromptIDs || !injectsIDs { return injectsPromptIDs }
        guard asked.requestedByAnyEngineField.contains(.promptIDs) else { return true }
        return engine != .generic && !engine.tokenDataRequest(in: requestKind).ids.contains(.promptIDs)
    }

    /// How a field looks when its feature is off.
    func valueWhenOff(of field: TokenField, engine: EngineProfile) -> EngineProfile.ValueWhenOff {
        switch field {
        case .logprobs: engine.valueOfLogprobsWhenOff(in: api)
        case .responseTokenIDs: .absent
        // Only SGLang sends these in the choices of a chat completion.
        case .promptTokenIDs where api == .chatCompletions: .absent
        case .tokenIDs, .promptTokenIDs: engine.idsWhenOff
        case .promptLogprobs: .null
        }
    }

    /// Whether the agent itself has asked for no token data, so that an event that holds nothing else can be dropped.
    var mayDropEvents: Bool { !asked.logprobs && asked.requestedByAnyEngineField.isEmpty }

    /// Whether token data make events of their own, in which a text, or every member of a delta, is null or empty.
    func makesBlankEvents(engine: EngineProfile) -> Bool { engine.blankEvents.contains(api) }
}

extension EngineProfile.IDField {
    fileprivate static let completionIDs = EngineProfile.IDField.flag("return_token_ids")
    fileprivate static let promptIDs = EngineProfile.IDField.flag("return_prompt_token_ids")
}
