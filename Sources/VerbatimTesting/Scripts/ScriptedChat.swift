/// A deterministic model server: the same request always gets the same bytes.
///
/// It serves `…/chat/completions` and `…/models` in the format of the engine it imitates:
/// `MockEngine.start(script: ScriptedChat(.vllm).serve)`. By default it plays ``Conversation/demo``; any other reply is
/// given as tokens:
///
///     let reply = ScriptedReply(
///         .content([ScriptedToken(9906, "Hel", "-0.125"), ScriptedToken(385, "lo", "-0.25")]),
///         stopToken: ScriptedToken(2, "</s>", "-0.0625"))
///     let engine = try await MockEngine.start(script: ScriptedChat(.vllm, .always([reply])).serve)
///
/// To imitate another engine, add a type that conforms to ``ChatShape`` and a case of ``Flavor``.
package struct ScriptedChat: Sendable {
    /// The engine that is imitated.
    package enum Flavor: Sendable, CaseIterable {
        case vllm
        case llamacpp
        case openai
    }

    /// What the engine refuses in addition to what its flavor refuses.
    package enum InjectionRejection: Sendable {
        case none
        /// Log-probabilities, with status 400.
        case logprobs
        /// Log-probabilities, with status 403.
        case logprobsForbidden
        /// `return_token_ids`, with status 400. The llama.cpp flavor ignores that field whatever is set here, and the
        /// OpenAI flavor always refuses it.
        case tokenIDs
    }

    package var flavor: Flavor
    package var conversation: Conversation
    /// The name of the model that replies carry.
    package var model = "mock/scripted-1"
    package var refuses = InjectionRejection.none
    /// The largest `top_logprobs` that the vLLM and OpenAI flavors accept.
    package var maxLogprobs = 20
    /// The pause before each event of a stream but the first; `nil` for none.
    package var pacing: Duration?

    package init(_ flavor: Flavor, _ conversation: Conversation = .demo) {
        self.flavor = flavor
        self.conversation = conversation
    }

    /// Answers one request. This is the script to start a ``MockEngine`` with.
    package func serve(_ exchange: MockExchange) async throws {
        switch answer(exchange.request) {
        case .whole(let status, let reason, let headers, let body):
            try await exchange.respond(status: status, reason: reason, headers: headers, body: body)
            if headers.contains(where: { $0 == ("Connection", "close") }) { await exchange.close() }
        case .stream(let headers, let events):
            try await exchange.startEventStream(headers: headers)
            for (index, event) in events.enumerated() {
                if index > 0, let pacing { try await Task.sleep(for: pacing) }
                try await exchange.sendEvent(event)
            }
            try await exchange.finishStream()
        }
    }

    /// Returns the answer to a request without sending it.
    package func answer(_ request: MockRequest) -> ScriptedAnswer {
        let path = request.target.prefix { $0 != "?" }
        if request.method == "GET", path.hasSuffix("/models") { return shape.whole(shape.models(model)) }
        guard request.method == "POST", path.hasSuffix("/chat/completions") else { return shape.notFound() }
        return answer(toBody: request.body)
    }

    /// Returns the answer to the body of a chat completion request without sending it.
    package func answer(toBody body: [UInt8]) -> ScriptedAnswer {
        guard let request = ChatRequest(body) else { return shape.unparsable() }
        if let refusal = shape.refusal(of: request, options: self) { return refusal }
        let turn = request.hasToolResult ? conversation.afterToolResult : conversation.opening
        let choices = (0..<request.choiceCount).compactMap { turn.reply(forChoice: $0) }
        return shape.answer(
            to: ChatReply(request: request, model: model, promptTokenIDs: turn.promptTokenIDs, choices: choices))
    }

    private var shape: any ChatShape {
        switch flavor {
        case .vllm: VLLMShape()
        case .llamacpp: LlamaCppShape()
        case .openai: OpenAIShape()
        }
    }
}
