/// Chat completions as vLLM 0.32 writes them: what was not requested is `null`, and swallowed tokens appear as empty
/// deltas only if ids or log-probabilities were requested.
struct VLLMShape: ChatShape {
    private let fingerprint = #""system_fingerprint":"vllm-0.32.0-6ab2b866""#

    func headers(contentLength: Int?, isError: Bool) -> [(String, String)] {
        let common = [("date", Fixed.date), ("server", "uvicorn")]
        guard let contentLength else {
            return common + [
                ("content-type", "text/event-stream; charset=utf-8"), ("vary", "Origin"),
                ("transfer-encoding", "chunked"),
            ]
        }
        return common + [
            ("content-length", String(contentLength)), ("content-type", "application/json"), ("vary", "Origin"),
        ]
    }

    func refusal(of request: ChatRequest, options: ScriptedChat) -> ScriptedAnswer? {
        if request.topLogprobs ?? 0 != 0, !request.logprobs {
            let message = "when using `top_logprobs`, `logprobs` must be set to true. (parameter=top_logprobs)"
            return failure(400, error(message, param: "top_logprobs"))
        }
        if let top = request.topLogprobs, top > options.maxLogprobs {
            let message =
                "Requested sample logprobs of \(top), which is greater than max allowed: \(options.maxLogprobs) "
                + "(parameter=logprobs, value=\(top))"
            guard request.stream else { return failure(400, error(message, param: "logprobs")) }
            // A stream has sent its status: the error is its first event, in Python's default JSON spacing.
            let event =
                #"{"error": {"message": \#(MockJSON.quoted(message)), "type": "BadRequestError", "#
                + #""param": "logprobs", "code": 400}}"#
            return .stream(headers: headers(contentLength: nil, isError: true), events: [event, "[DONE]"])
        }
        switch options.refuses {
        case .logprobs where request.logprobs:
            return failure(400, error("logprobs is not supported with this model", param: "logprobs"))
        case .logprobsForbidden where request.logprobs:
            return failure(403, error("You are not allowed to request logprobs from this model", param: nil, code: 403))
        case .tokenIDs where request.keys.contains("return_token_ids"):
            let detail =
                "[{'type': 'extra_forbidden', 'loc': ('body', 'return_token_ids'), "
                + "'msg': 'Extra inputs are not permitted', 'input': True}]"
            return failure(400, error(detail, param: nil))
        default:
            return nil
        }
    }

    func unparsable() -> ScriptedAnswer {
        let message =
            "1 validation error:\n  {'type': 'json_invalid', 'loc': 'body.38', 'msg': 'JSON decode error', "
            + "'input': '<dict of 0 items>', 'ctx': {'error': 'Expecting value'}}"
        return failure(
            400,
            #"{"error":{"message":\#(MockJSON.quoted(message)),"type":"Bad Request","param":"body.38","code":400}}"#)
    }

    func notFound() -> ScriptedAnswer {
        failure(404, #"{"detail":"Not Found"}"#)
    }

    func models(_ model: String) -> String {
        #"{"object":"list","data":[{"id":\#(MockJSON.quoted(model)),"object":"model","created":\#(Fixed.created),"#
            + #""owned_by":"vllm","root":"/models/tiny-1","parent":null,"max_model_len":16384,"permission":[]}]}"#
    }

    private func error(_ message: String, param: String?, code: Int = 400) -> String {
        #"{"error":{"message":\#(MockJSON.quoted(message)),"type":"BadRequestError","#
            + #""param":\#(param.map(MockJSON.quoted) ?? "null"),"code":\#(code)}}"#
    }

    // MARK: One body

    func unary(_ reply: ChatReply) -> String {
        let request = reply.request
        let choices = reply.choices.enumerated().map { index, choice in
            #"{"index":\#(index),"message":\#(message(choice)),"logprobs":\#(logprobs(choice.tokens, request)),"#
                + #""finish_reason":"\#(choice.effectiveFinishReason)","stop_reason":\#(stopReason(choice)),"#
                + #""token_ids":\#(ids(choice.tokens.map(\.id), request)),"routed_experts":null}"#
        }
        let reasoning = reply.reasoningTokenCount
        let details = reasoning > 0 ? #"{"reasoning_tokens":\#(reasoning)}"# : "null"
        let (prompt, completion) = (reply.promptTokenIDs.count, reply.completionTokenCount)
        return #"{"id":"\#(Fixed.id)","object":"chat.completion","created":\#(Fixed.created),"#
            + #""model":\#(MockJSON.quoted(reply.model)),"choices":[\#(choices.joined(separator: ","))],"#
            + #""service_tier":null,\#(fingerprint),"usage":{"prompt_tokens":\#(prompt),"#
            + #""total_tokens":\#(prompt + completion),"completion_tokens":\#(completion),"#
            + #""prompt_tokens_details":null,"completion_tokens_details":\#(details)},"prompt_logprobs":null,"#
            + #""prompt_token_ids":\#(ids(reply.promptTokenIDs, request)),"prompt_text":null,"#
            + #""kv_transfer_params":null,"ec_transfer_params":null,"metrics":null}"#
    }

    private func message(_ choice: ScriptedReply) -> String {
        let calls = choice.toolCalls.map { call in
            #"{"id":\#(MockJSON.quoted(call.id)),"type":"function","function":{"name":\#(MockJSON.quoted(call.name)),"#
                + #""arguments":\#(MockJSON.quoted(call.arguments))}}"#
        }
        let showsContent = !choice.content.isEmpty || !calls.isEmpty || choice.reasoning.isEmpty
        return #"{"role":"assistant","content":\#(showsContent ? MockJSON.quoted(choice.content) : "null"),"#
            + #""refusal":null,"annotations":null,"audio":null,"function_call":null,"#
            + (calls.isEmpty ? "" : #""tool_calls":[\#(calls.joined(separator: ","))],"#)
            + #""reasoning":\#(choice.reasoning.isEmpty ? "null" : MockJSON.quoted(choice.reasoning))}"#
    }

    private func logprobs(_ tokens: [ScriptedToken], _ request: ChatRequest) -> String {
        guard request.logprobs else { return "null" }
        let entries = tokens.map { $0.openAIEntry(top: request.topLogprobs ?? 0) }
        return #"{"content":[\#(entries.joined(separator: ","))]}"#
    }

    private func ids(_ ids: [Int], _ request: ChatRequest) -> String {
        request.returnsTokenIDs ? ids.json : "null"
    }

    // MARK: A stream

    func events(_ reply: ChatReply) -> [String] {
        let request = reply.request
        var progress = Progress(reply: reply)
        var events = reply.choices.indices.map { index in
            chunk(
                reply,
                choice: #"{"index":\#(index),"delta":{"role":"assistant","content":""},"logprobs":null,"#
                    + #""finish_reason":null}"#,
                after: progress.continuousUsage
                    + #","prompt_token_ids":\#(ids(reply.promptTokenIDs, request)),"prompt_text":null"#)
        }
        let capturing = request.logprobs || request.returnsTokenIDs
        for (index, step, finish) in interleaved(reply.choices.enumerated().map(steps)) {
            progress.add(step)
            guard step.delta != .swallowed || capturing || finish != nil else { continue }
            let showsFingerprint = finish != nil && !request.includesUsage
            events.append(
                chunk(
                    reply,
                    choice: #"{"index":\#(index),"delta":\#(delta(step.delta)),"#
                        + #""logprobs":\#(logprobs(step.tokens, request)),"finish_reason":\#(finish ?? "null"),"#
                        + #""token_ids":\#(ids(step.tokens.map(\.id), request))}"#,
                    after: progress.continuousUsage + (showsFingerprint ? ",\(fingerprint)" : "")))
        }
        if request.includesUsage {
            events.append(chunk(reply, choice: "", after: #","usage":\#(progress.finalUsage),\#(fingerprint)"#))
        }
        return events
    }

    /// The steps of a choice with the finish and stop reasons on the last one, which carries the stop token if there is
    /// one.
    private func steps(_ index: Int, _ choice: ScriptedReply) -> [(Int, ScriptedStep, String?)] {
        var steps = choice.steps
        if let stop = choice.stopToken { steps.append(ScriptedStep([stop], .swallowed)) }
        let finish = #""\#(choice.effectiveFinishReason)","stop_reason":\#(stopReason(choice))"#
        return steps.enumerated().map { place, step in (index, step, place == steps.count - 1 ? finish : nil) }
    }

    private func stopReason(_ choice: ScriptedReply) -> String {
        choice.stopReason.map(String.init) ?? "null"
    }

    private func chunk(_ reply: ChatReply, choice: String, after: String) -> String {
        #"{"id":"\#(Fixed.id)","object":"chat.completion.chunk","created":\#(Fixed.created),"#
            + #""model":\#(MockJSON.quoted(reply.model)),"choices":[\#(choice)]\#(after)}"#
    }

    private func delta(_ delta: ScriptedStep.Delta) -> String {
        switch delta {
        case .reasoning(let text): #"{"reasoning":\#(MockJSON.quoted(text))}"#
        case .content(let text): #"{"content":\#(MockJSON.quoted(text))}"#
        case .toolCall(let index, let id, let name):
            #"{"content":null,"tool_calls":[{"id":\#(MockJSON.quoted(id)),"type":"function","index":\#(index),"#
                + #""function":{"name":\#(MockJSON.quoted(name))}}]}"#
        case .arguments(let index, let text):
            #"{"content":null,"tool_calls":[{"index":\#(index),"function":{"arguments":\#(MockJSON.quoted(text))}}]}"#
        case .swallowed: "{}"
        }
    }

    /// The token counts so far, for `usage` in the last chunk or, on request, in every chunk.
    private struct Progress {
        let reply: ChatReply
        var completion = 0
        var reasoning = 0

        init(reply: ChatReply) { self.reply = reply }

        mutating func add(_ step: ScriptedStep) {
            completion += step.tokens.count
            if case .reasoning = step.delta { reasoning += step.tokens.count }
        }

        var continuousUsage: String {
            guard reply.request.continuousUsage else { return "" }
            let details = reply.reasoningTokenCount > 0 ? #"{"reasoning_tokens":\#(reasoning)}"# : "null"
            return #","usage":{\#(counts(completion)),"completion_tokens_details":\#(details)}"#
        }

        var finalUsage: String {
            let details = #","completion_tokens_details":{"reasoning_tokens":\#(reasoning)}"#
            return "{\(counts(reply.completionTokenCount))\(reply.reasoningTokenCount > 0 ? details : "")}"
        }

        private func counts(_ completion: Int) -> String {
            let prompt = reply.promptTokenIDs.count
            return #""prompt_tokens":\#(prompt),"total_tokens":\#(prompt + completion),"#
                + #""completion_tokens":\#(completion)"#
        }
    }
}
