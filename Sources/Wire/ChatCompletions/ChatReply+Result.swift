import JSONBytes

// What has been captured, put together for the record.

extension ChatReply {
    package func captured() -> Capture {
        var capture = Capture()
        capture.problems = problems
        let choices = choices.sorted { $0.index < $1.index }
        for choice in choices {
            var captured = Capture.Choice(index: choice.index)
            let found = choice.tokens.fill(&captured)
            captured.finishReason = choice.fields.value("finish_reason")
            capture.choices.append(captured)
            capture.note(found)
            capture.note(choice.tokens.losses.union(choice.message.losses).union(choice.fields.losses))
        }
        capture.note(envelope.losses)
        capture.promptTokenIDs = envelope.value("prompt_token_ids").flatMap { $0.first == UInt8(ascii: "[") ? $0 : nil }
        capture.usage = envelope.value("usage")
        capture.model = envelope.value("model")
        capture.responseID = envelope.value("id")
        capture.response = wholeReply ?? assembled(choices)
        capture.judge(
            wantsTokenData: policy.wantsTokenData, countedByEngine: countByEngine,
            omitsEndToken: !isWhole && engine.streamsOmitEndToken)
        if isWhole && choices.isEmpty && replyError == nil && problems.isEmpty && policy.wantsTokenData {
            capture.note([Problem.noTokenData])
        }
        if !isTerminated && replyError == nil { capture.note([Problem.streamNotTerminated]) }
        if !isWhole && replyError != nil { capture.note([Problem.replyCutOff]) }
        capture.isComplete = capture.problems.isEmpty && replyError == nil
        return capture
    }

    /// How many tokens the engine says it generated; `nil` if it does not say so of all choices.
    private var countByEngine: Int? {
        guard choices.count == 1 || engine.usageCoversAllChoices else { return nil }
        if let usage = envelope.value("usage"), let count = Self.number("completion_tokens", in: usage) { return count }
        // llama.cpp counts the tokens of a stream in `timings`, also when no usage was asked for.
        guard choices.count == 1, let timings = envelope.value("timings") else { return nil }
        return Self.number("predicted_n", in: timings)
    }

    private static func number(_ name: StaticString, in object: [UInt8]) -> Int? {
        let text = object.span
        guard let object = try? JSONObject(document: text) else { return nil }
        return object.value(name, in: text)?.int(in: text)
    }

    private func assembled(_ choices: [ChatChoice]) -> [UInt8] {
        var object = Array("{".utf8)
        for name in ["id", "object", "created", "model"] as [StaticString] {
            let value = name.description == "object" ? Array(#""chat.completion""#.utf8) : envelope.value(name)
            guard let value else { continue }
            object.appendJSONKey(name)
            object.append(contentsOf: value)
        }
        var list = JSONList()
        for choice in choices { list.append(choice.json(detail: policy.detail)) }
        object.appendJSONKey("choices")
        object.append(contentsOf: list.array)
        object.appendJSONKey("usage")
        object.append(contentsOf: envelope.value("usage") ?? Array("null".utf8))
        envelope.append(to: &object, except: ["id", "object", "created", "model", "usage"])
        if let replyError {
            object.appendJSONKey("upstream_status")
            object.append(contentsOf: (Self.number("code", in: replyError).map(String.init) ?? "null").utf8)
            object.appendJSONKey("upstream_error")
            object.append(contentsOf: replyError)
        }
        object.append(UInt8(ascii: "}"))
        return object
    }
}
