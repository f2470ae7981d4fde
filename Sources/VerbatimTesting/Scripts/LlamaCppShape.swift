/// Chat completions as llama.cpp's server writes them: keys in its order, ids inside the log-probabilities, nothing for
/// what was not requested, and its own final chunk.
struct LlamaCppShape: ChatShape {
    private static let timings =
        #""timings":{"cache_n":22,"prompt_n":1,"prompt_ms":0.466,"prompt_per_token_ms":0.466,"#
        + #""prompt_per_second":2145.9227467811156,"predicted_n":12,"predicted_ms":1.601,"#
        + #""predicted_per_token_ms":0.13341666666666666,"predicted_per_second":7495.315427857589}"#

    func headers(contentLength: Int?, isError: Bool) -> [(String, String)] {
        let common = [("Server", "llama.cpp"), ("Access-Control-Allow-Origin", "")]
        let keepAlive = ("Keep-Alive", "timeout=5, max=100")
        guard let contentLength else {
            return common + [
                ("X-Accel-Buffering", "no"), ("Content-Type", "text/event-stream"), ("Transfer-Encoding", "chunked"),
                keepAlive,
            ]
        }
        return common + [
            ("Content-Type", "application/json; charset=utf-8"), ("Content-Length", String(contentLength)),
            isError ? ("Connection", "close") : keepAlive,
        ]
    }

    func refusal(of request: ChatRequest, options: ScriptedChat) -> ScriptedAnswer? {
        if request.logprobs, request.hasTools, request.stream {
            return failure(400, error("logprobs is not supported with tools + stream"))
        }
        if request.topLogprobs != nil, !request.logprobs {
            return failure(400, error("top_logprobs requires logprobs to be set to true"))
        }
        switch options.refuses {
        case .logprobs where request.logprobs:
            return failure(400, error("logprobs is not supported with this model"))
        case .logprobsForbidden where request.logprobs:
            return failure(403, error("You are not allowed to request logprobs from this model", code: 403))
        default:
            return nil
        }
    }

    func unparsable() -> ScriptedAnswer {
        let message =
            "[json.exception.parse_error.101] parse error at line 1, column 39: syntax error while parsing value - "
            + "unexpected end of input; expected '[', '{', or a literal"
        return failure(400, error(message))
    }

    func notFound() -> ScriptedAnswer {
        failure(404, #"{"error":{"message":"File Not Found","type":"not_found_error","code":404}}"#)
    }

    func models(_ model: String) -> String {
        let name = MockJSON.quoted(model)
        return #"{"models":[{"name":\#(name),"model":\#(name),"type":"model","capabilities":["completion"]}],"#
            + #""object":"list","data":[{"id":\#(name),"aliases":[\#(name)],"tags":[],"object":"model","#
            + #""created":\#(Fixed.created),"owned_by":"llamacpp","meta":{"vocab_type":2,"n_vocab":2048}}]}"#
    }

    private func error(_ message: String, code: Int = 400) -> String {
        #"{"error":{"code":\#(code),"message":\#(MockJSON.quoted(message)),"type":"invalid_request_error"}}"#
    }

    // MARK: One body

    func unary(_ reply: ChatReply) -> String {
        let choices = reply.choices.enumerated().map { index, choice in
            #"{"finish_reason":"\#(choice.effectiveFinishReason)","index":\#(index),"message":\#(message(choice))"#
                + logprobs(entries(choice), reply.request) + "}"
        }
        return #"{"choices":[\#(choices.joined(separator: ","))],\#(identity(reply)),"object":"chat.completion","#
            + #"\#(usage(reply)),"id":"\#(Fixed.id)",\#(Self.timings)}"#
    }

    private func message(_ choice: ScriptedReply) -> String {
        let calls = choice.toolCalls.map { call in
            #"{"type":"function","function":{"name":\#(MockJSON.quoted(call.name)),"#
                + #""arguments":\#(MockJSON.quoted(call.arguments))},"id":\#(MockJSON.quoted(call.id))}"#
        }
        return #"{"role":"assistant","content":\#(MockJSON.quoted(choice.content))"#
            + (choice.reasoning.isEmpty ? "" : #","reasoning_content":\#(MockJSON.quoted(choice.reasoning))"#)
            + (calls.isEmpty ? "" : #","tool_calls":[\#(calls.joined(separator: ","))]"#) + "}"
    }

    /// The tokens of a choice as they are reported: the stop token has its id but no text.
    private func entries(_ choice: ScriptedReply) -> [ScriptedToken] {
        choice.steps.flatMap(\.tokens) + (choice.stopToken.map { [ScriptedToken($0.id, "", $0.logprob)] } ?? [])
    }

    private func identity(_ reply: ChatReply) -> String {
        #""created":\#(Fixed.created),"model":\#(MockJSON.quoted(reply.model)),"system_fingerprint":"b0-unknown""#
    }

    /// Usage counts the first choice only, however many there are.
    private func usage(_ reply: ChatReply) -> String {
        let (prompt, completion) = (reply.promptTokenIDs.count, reply.choices.first?.finalTokenCount ?? 0)
        return #""usage":{"completion_tokens":\#(completion),"prompt_tokens":\#(prompt),"#
            + #""total_tokens":\#(prompt + completion),"prompt_tokens_details":{"cached_tokens":22}}"#
    }

    /// The member with the log-probabilities, or no text if none were requested.
    private func logprobs(_ tokens: [ScriptedToken], _ request: ChatRequest) -> String {
        let count = request.logprobs ? request.topLogprobs ?? 20 : request.nProbs
        guard count > 0 else { return "" }
        func core(_ token: ScriptedToken) -> String {
            #""id":\#(token.id),"token":\#(MockJSON.quoted(token.text)),"bytes":\#(token.bytesJSON),"#
                + #""logprob":\#(token.logprob)"#
        }
        let entries = tokens.map { token in
            let top = token.alternatives(count, impossible: "-3.4028234663852886e+38").map { "{\(core($0))}" }
            return #"{\#(core(token)),"top_logprobs":[\#(top.joined(separator: ","))]}"#
        }
        return #","logprobs":{"content":[\#(entries.joined(separator: ","))]}"#
    }

    // MARK: A stream

    func events(_ reply: ChatReply) -> [String] {
        interleaved(reply.choices.enumerated().map { events(reply, $0, $1) })
    }

    private func events(_ reply: ChatReply, _ index: Int, _ choice: ScriptedReply) -> [String] {
        var events = [chunk(reply, choiceJSON(index, #"{"role":"assistant","content":null}"#))]
        var pending: (index: Int, id: String, name: String)?
        for step in choice.steps {
            guard let delta = delta(step.delta, &pending) else { continue }
            events.append(chunk(reply, choiceJSON(index, delta, logprobs(step.tokens, reply.request))))
        }
        let finish = choiceJSON(index, "{}", finish: #""\#(choice.effectiveFinishReason)""#)
        guard reply.request.includesUsage else { return events + [chunk(reply, finish, ",\(Self.timings)")] }
        return events + [chunk(reply, finish), chunk(reply, "", ",\(usage(reply)),\(Self.timings)")]
    }

    private func choiceJSON(_ index: Int, _ delta: String, _ logprobs: String = "", finish: String = "null") -> String {
        #"{"finish_reason":\#(finish),"index":\#(index),"delta":\#(delta)\#(logprobs)}"#
    }

    private func chunk(_ reply: ChatReply, _ choice: String, _ after: String = "") -> String {
        #"{"choices":[\#(choice)],"created":\#(Fixed.created),"id":"\#(Fixed.id)","#
            + #""model":\#(MockJSON.quoted(reply.model)),"system_fingerprint":"b0-unknown","#
            + #""object":"chat.completion.chunk"\#(after)}"#
    }

    /// The delta of a step, or nil if it has none. A call is announced together with its first arguments; the tokens
    /// before them are not shown.
    private func delta(_ delta: ScriptedStep.Delta, _ pending: inout (index: Int, id: String, name: String)?) -> String?
    {
        switch delta {
        case .reasoning(let text): return #"{"reasoning_content":\#(MockJSON.quoted(text))}"#
        case .content(let text): return #"{"content":\#(MockJSON.quoted(text))}"#
        case .swallowed: return nil
        case .toolCall(let index, let id, let name):
            pending = (index, id, name)
            return nil
        case .arguments(let index, let text):
            let arguments = #""arguments":\#(MockJSON.quoted(text))"#
            guard let call = pending else {
                return #"{"tool_calls":[{"index":\#(index),"function":{\#(arguments)}}]}"#
            }
            pending = nil
            return #"{"tool_calls":[{"index":\#(index),"id":\#(MockJSON.quoted(call.id)),"type":"function","#
                + #""function":{"name":\#(MockJSON.quoted(call.name)),\#(arguments)}}]}"#
        }
    }
}
