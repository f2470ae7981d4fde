import VerbatimJSON

/// The final message in Anthropic's API.
struct FinalAnthropicMessage {
    let model: String
    let text: String
    let id: String

    var body: [UInt8] { JSONWriter.bytes { writeMessage(to: &$0, isComplete: true) } }

    var events: [[UInt8]] {
        var list = EventList()
        list.add(named: "message_start") { json in
            json.key("message")
            writeMessage(to: &json, isComplete: false)
        }
        list.add(named: "content_block_start") { json in
            json.member("index", 0)
            json.key("content_block")
            Self.writeBlock("", to: &json)
        }
        list.add(named: "content_block_delta") { json in
            json.member("index", 0)
            json.object("delta") { json in
                json.member("type", "text_delta")
                json.member("text", text)
            }
        }
        list.add(named: "content_block_stop") { $0.member("index", 0) }
        list.add(named: "message_delta") { json in
            json.object("delta") { json in
                json.member("stop_reason", "end_turn")
                json.member("stop_sequence", String?.none)
            }
            json.object("usage") { $0.member("output_tokens", 0) }
        }
        list.add(named: "message_stop") { _ in }
        return list.events
    }

    private static func writeBlock(_ text: String, to json: inout JSONWriter) {
        json.object { json in
            json.member("type", "text")
            json.member("text", text)
        }
    }

    private func writeMessage(to json: inout JSONWriter, isComplete: Bool) {
        json.object { json in
            json.member("id", "msg_" + id)
            json.member("type", "message")
            json.member("role", "assistant")
            json.member("model", model)
            json.array("content") { json in
                if isComplete { Self.writeBlock(text, to: &json) }
            }
            json.member("stop_reason", isComplete ? "end_turn" : nil)
            json.member("stop_sequence", String?.none)
            json.object("usage") { json in
                json.member("input_tokens", 0)
                json.member("output_tokens", 0)
            }
        }
    }
}
