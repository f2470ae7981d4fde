import VerbatimJSON

/// What ends the stream of a chat completion or a completion at any point: each choice that is not finished gets the
/// finish reason `length`, also one that has not begun; the usage follows if it was asked for, and `[DONE]`.
struct ChatEnding {
    private let reply: ChatReply
    private let api: API
    private let expected: ExpectedReply
    private let usage: EndingUsage

    init(of reply: ChatReply, api: API, expected: ExpectedReply, usage: EndingUsage) {
        self.reply = reply
        self.api = api
        self.expected = expected
        self.usage = usage
    }

    var ending: StreamEnding {
        if reply.choices.isEmpty && reply.envelope.isEmpty { return .notBegun }
        var list = EventList()
        let open = openChoices
        for (index, hasBegun) in open {
            list.add { json in
                writeHead(to: &json)
                json.array("choices") { writeChoice(index, hasBegun: hasBegun, to: &$0) }
            }
        }
        let hasUsage = open.isEmpty && reply.envelope.value("usage") != nil
        if expected.includesUsage && !hasUsage {
            list.add { json in
                writeHead(to: &json)
                json.array("choices") { _ in }
                json.object("usage") { json in
                    json.member("prompt_tokens", usage.promptTokens)
                    json.member("completion_tokens", usage.completionTokens)
                    json.member("total_tokens", usage.totalTokens)
                }
            }
        }
        list.addDone()
        return .events(list.events)
    }

    /// The indices of the choices that are not finished, in ascending order, since clients expect choices to begin so.
    private var openChoices: [(index: Int, hasBegun: Bool)] {
        var open: [(index: Int, hasBegun: Bool)] = []
        for choice in reply.choices where !choice.isFinished { open.append((choice.index, true)) }
        for index in 0..<expected.choices where reply.place(ofChoice: index) == nil { open.append((index, false)) }
        return open.sorted { $0.index < $1.index }
    }

    /// What all events of the stream say.
    private func writeHead(to json: inout JSONWriter) {
        for name in ["id", "object", "created", "model", "system_fingerprint"] as [StaticString] {
            guard let value = reply.envelope.value(name) else { continue }
            json.key(name)
            json.raw(value)
        }
    }

    private func writeChoice(_ index: Int, hasBegun: Bool, to json: inout JSONWriter) {
        json.object { json in
            json.member("index", index)
            if api == .completions {
                json.member("text", "")
            } else {
                json.object("delta") { json in
                    if hasBegun { return }
                    json.member("role", "assistant")
                    json.member("content", "")
                }
            }
            json.member("logprobs", String?.none)
            json.member("finish_reason", "length")
        }
    }
}
