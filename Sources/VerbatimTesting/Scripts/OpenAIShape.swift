/// Chat completions as OpenAI writes them: no token ids, log-probabilities of visible content only, and a refusal of
/// every argument it does not know.
struct OpenAIShape: ChatShape {
    private static let unknownKeys = ["return_token_ids", "return_tokens_as_token_ids", "prompt_logprobs", "n_probs"]

    func headers(contentLength: Int?, isError: Bool) -> [(String, String)] {
        let identity = [
            ("Date", Fixed.date), ("openai-version", "2020-10-01"), ("x-request-id", "req_3f6a1c0d9b5e4c71"),
        ]
        guard let contentLength else {
            return [("Content-Type", "text/event-stream; charset=utf-8"), ("Transfer-Encoding", "chunked")] + identity
        }
        return [("Content-Type", "application/json"), ("Content-Length", String(contentLength))] + identity
    }

    func refusal(of request: ChatRequest, options: ScriptedChat) -> ScriptedAnswer? {
        if let key = request.keys.first(where: Self.unknownKeys.contains) {
            return failure(400, error("Unrecognized request argument supplied: \(key)"))
        }
        let asks = request.logprobs || request.topLogprobs != nil
        if options.refuses == .logprobs, asks {
            let parameter = request.logprobs ? "logprobs" : "top_logprobs"
            let message = "Unsupported parameter: '\(parameter)' is not supported with this model."
            return failure(400, error(message, param: parameter, code: "unsupported_parameter"))
        }
        if options.refuses == .logprobsForbidden, asks {
            return failure(403, error("You are not allowed to request logprobs from this model"))
        }
        if request.topLogprobs != nil, !request.logprobs {
            let message = "'logprobs' must be true when 'top_logprobs' is specified."
            return failure(400, error(message, param: "top_logprobs"))
        }
        if let top = request.topLogprobs, top > options.maxLogprobs {
            let message =
                "Invalid value for 'top_logprobs': must be less than or equal to \(options.maxLogprobs)."
            return failure(400, error(message, param: "top_logprobs"))
        }
        return nil
    }

    func unparsable() -> ScriptedAnswer {
        failure(400, error("We could not parse the JSON body of your request."))
    }

    func notFound() -> ScriptedAnswer {
        failure(404, error("Invalid URL", code: nil))
    }

    func models(_ model: String) -> String {
        #"{"object":"list","data":[{"id":\#(MockJSON.quoted(model)),"object":"model","created":\#(Fixed.created),"#
            + #""owned_by":"openai"}]}"#
    }

    private func error(_ message: String, param: String? = nil, code: String? = nil) -> String {
        """
        {
          "error": {
            "message": \(MockJSON.quoted(message)),
            "type": "invalid_request_error",
            "param": \(param.map(MockJSON.quoted) ?? "null"),
            "code": \(code.map(MockJSON.quoted) ?? "null")
          }
        }
        """
    }

    // MARK: One body

    func unary(_ reply: ChatReply) -> String {
        let choices = reply.choices.enumerated().map { index, choice in
            let visible = choice.steps.filter { if case .content = $0.delta { true } else { false } }
            return #"{"index":\#(index),"message":\#(message(choice)),"#
                + #""logprobs":\#(logprobs(visible.flatMap(\.tokens), reply.request)),"#
                + #""finish_reason":"\#(choice.effectiveFinishReason)"}"#
        }
        return #"{"id":"\#(Fixed.id)","object":"chat.completion","created":\#(Fixed.created),"#
            + #""model":\#(MockJSON.quoted(reply.model)),"choices":[\#(choices.joined(separator: ","))],"#
            + #""usage":\#(usage(reply)),"service_tier":"default","system_fingerprint":"fp_50cad350e4"}"#
    }

    private func message(_ choice: ScriptedReply) -> String {
        let calls = choice.toolCalls.map { call in
            #"{"id":\#(MockJSON.quoted(call.id)),"type":"function","function":{"name":\#(MockJSON.quoted(call.name)),"#
                + #""arguments":\#(MockJSON.quoted(call.arguments))}}"#
        }
        return #"{"role":"assistant","content":\#(content(choice)),"#
            + (calls.isEmpty ? "" : #""tool_calls":[\#(calls.joined(separator: ","))],"#)
            + #""refusal":null,"annotations":[]}"#
    }

    private func content(_ choice: ScriptedReply) -> String {
        choice.content.isEmpty && !choice.toolCalls.isEmpty ? "null" : MockJSON.quoted(choice.content)
    }

    private func logprobs(_ tokens: [ScriptedToken], _ request: ChatRequest) -> String {
        guard request.logprobs else { return "null" }
        let entries = tokens.map { $0.openAIEntry(top: request.topLogprobs ?? 0) }
        return #"{"content":[\#(entries.joined(separator: ","))],"refusal":null}"#
    }

    private func usage(_ reply: ChatReply) -> String {
        let (prompt, completion) = (reply.promptTokenIDs.count, reply.completionTokenCount)
        return
            #"{"prompt_tokens":\#(prompt),"completion_tokens":\#(completion),"total_tokens":\#(prompt + completion),"#
            + #""prompt_tokens_details":{"cached_tokens":0,"audio_tokens":0},"completion_tokens_details":"#
            + #"{"reasoning_tokens":\#(reply.reasoningTokenCount),"audio_tokens":0,"accepted_prediction_tokens":0,"#
            + #""rejected_prediction_tokens":0}}"#
    }

    // MARK: A stream

    func events(_ reply: ChatReply) -> [String] {
        let usage = reply.request.includesUsage ? #","usage":null"# : ""
        let events = interleaved(reply.choices.enumerated().map { deltas(reply, $0, $1) })
            .map { chunk(reply, $0, usage) }
        guard reply.request.includesUsage else { return events }
        return events + [chunk(reply, "", #","usage":\#(self.usage(reply))"#)]
    }

    private func deltas(_ reply: ChatReply, _ index: Int, _ choice: ScriptedReply) -> [String] {
        let content = choice.content.isEmpty && !choice.toolCalls.isEmpty ? "null" : #""""#
        let opening = #"{"role":"assistant","content":\#(content),"refusal":null}"#
        let steps = choice.steps.compactMap { step in
            delta(step.delta).map { delta in
                if case .content = step.delta { return choiceJSON(index, delta, logprobs(step.tokens, reply.request)) }
                return choiceJSON(index, delta)
            }
        }
        return [choiceJSON(index, opening, logprobs([], reply.request))] + steps
            + [choiceJSON(index, "{}", finish: #""\#(choice.effectiveFinishReason)""#)]
    }

    private func choiceJSON(
        _ index: Int, _ delta: String, _ logprobs: String = "null", finish: String = "null"
    ) -> String {
        #"{"index":\#(index),"delta":\#(delta),"logprobs":\#(logprobs),"finish_reason":\#(finish)}"#
    }

    private func chunk(_ reply: ChatReply, _ choice: String, _ after: String) -> String {
        #"{"id":"\#(Fixed.id)","object":"chat.completion.chunk","created":\#(Fixed.created),"#
            + #""model":\#(MockJSON.quoted(reply.model)),"service_tier":"default","system_fingerprint":"fp_50cad350e4","#
            + #""choices":[\#(choice)]\#(after)}"#
    }

    /// The delta of a step, or nil if clients do not receive it: reasoning is hidden here.
    private func delta(_ delta: ScriptedStep.Delta) -> String? {
        switch delta {
        case .content(let text): #"{"content":\#(MockJSON.quoted(text))}"#
        case .toolCall(let index, let id, let name):
            #"{"tool_calls":[{"index":\#(index),"id":\#(MockJSON.quoted(id)),"type":"function","#
                + #""function":{"name":\#(MockJSON.quoted(name)),"arguments":""}}]}"#
        case .arguments(let index, let text):
            #"{"tool_calls":[{"index":\#(index),"function":{"arguments":\#(MockJSON.quoted(text))}}]}"#
        case .reasoning, .swallowed: nil
        }
    }
}
