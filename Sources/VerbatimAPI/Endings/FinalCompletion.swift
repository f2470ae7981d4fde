import VerbatimJSON

/// The final message as a chat completion or a completion. Each choice says the same.
struct FinalCompletion {
    let expected: ExpectedReply
    let text: String
    let id: String
    let time: Int

    private var isChat: Bool { expected.api == .chatCompletions }

    var body: [UInt8] {
        JSONWriter.bytes { json in
            json.object { json in
                writeHead(to: &json, object: isChat ? "chat.completion" : "text_completion")
                json.array("choices") { json in
                    for index in 0..<expected.choices { writeChoice(index, to: &json) }
                }
                Self.writeZeroUsage(to: &json)
            }
        }
    }

    var events: [[UInt8]] {
        var list = EventList()
        for index in 0..<expected.choices {
            if isChat {
                addChunk(to: &list, index) { json in
                    json.object("delta") { json in
                        json.member("role", "assistant")
                        json.member("content", "")
                    }
                }
                addChunk(to: &list, index) { json in json.object("delta") { $0.member("content", text) } }
            } else {
                addChunk(to: &list, index) { $0.member("text", text) }
            }
        }
        for index in 0..<expected.choices {
            addChunk(to: &list, index, finishReason: "stop") { json in
                if isChat { json.object("delta") { _ in } } else { json.member("text", "") }
            }
        }
        if expected.includesUsage {
            list.add { json in
                writeHead(to: &json, object: chunkObject)
                json.array("choices") { _ in }
                Self.writeZeroUsage(to: &json)
            }
        }
        list.addDone()
        return list.events
    }

    private var chunkObject: String { isChat ? "chat.completion.chunk" : "text_completion" }

    private func addChunk(
        to list: inout EventList, _ index: Int, finishReason: String? = nil, _ write: (inout JSONWriter) -> Void
    ) {
        list.add { json in
            writeHead(to: &json, object: chunkObject)
            json.array("choices") { json in
                json.object { json in
                    json.member("index", index)
                    write(&json)
                    json.member("logprobs", String?.none)
                    json.member("finish_reason", finishReason)
                }
            }
        }
    }

    private func writeHead(to json: inout JSONWriter, object: String) {
        json.member("id", (isChat ? "chatcmpl-" : "cmpl-") + id)
        json.member("object", object)
        json.member("created", time)
        json.member("model", expected.model)
    }

    private func writeChoice(_ index: Int, to json: inout JSONWriter) {
        json.object { json in
            json.member("index", index)
            if isChat {
                json.object("message") { json in
                    json.member("role", "assistant")
                    json.member("content", text)
                    json.member("refusal", String?.none)
                }
            } else {
                json.member("text", text)
            }
            json.member("logprobs", String?.none)
            json.member("finish_reason", "stop")
        }
    }

    private static func writeZeroUsage(to json: inout JSONWriter) {
        json.object("usage") { json in
            json.member("prompt_tokens", 0)
            json.member("completion_tokens", 0)
            json.member("total_tokens", 0)
        }
    }
}
