import VerbatimJSON

/// The final message as a response.
struct FinalResponse {
    let model: String
    let text: String
    let id: String
    let time: Int

    var body: [UInt8] { JSONWriter.bytes { writeResponse(to: &$0, isCompleted: true) } }

    var events: [[UInt8]] {
        var list = EventList()
        var number = 0
        func add(_ type: StaticString, _ write: (inout JSONWriter) -> Void) {
            list.add(named: type) { json in
                json.member("sequence_number", number)
                write(&json)
            }
            number += 1
        }
        func addOfPart(_ type: StaticString, _ write: (inout JSONWriter) -> Void) {
            add(type) { json in
                json.member("item_id", itemID)
                json.member("output_index", 0)
                json.member("content_index", 0)
                write(&json)
            }
        }
        for type in ["response.created", "response.in_progress"] as [StaticString] {
            add(type) { json in
                json.key("response")
                writeResponse(to: &json, isCompleted: false)
            }
        }
        add("response.output_item.added") { writeItem(to: &$0, isCompleted: false) }
        addOfPart("response.content_part.added") { json in
            json.key("part")
            Self.writePart("", to: &json)
        }
        addOfPart("response.output_text.delta") { json in
            json.member("delta", text)
            json.array("logprobs") { _ in }
        }
        addOfPart("response.output_text.done") { json in
            json.member("text", text)
            json.array("logprobs") { _ in }
        }
        addOfPart("response.content_part.done") { json in
            json.key("part")
            Self.writePart(text, to: &json)
        }
        add("response.output_item.done") { writeItem(to: &$0, isCompleted: true) }
        add("response.completed") { json in
            json.key("response")
            writeResponse(to: &json, isCompleted: true)
        }
        return list.events
    }

    private var itemID: String { "msg_" + id }

    private func writeItem(to json: inout JSONWriter, isCompleted: Bool) {
        json.member("output_index", 0)
        json.key("item")
        writeMessage(to: &json, isCompleted: isCompleted)
    }

    private func writeMessage(to json: inout JSONWriter, isCompleted: Bool) {
        json.object { json in
            json.member("id", itemID)
            json.member("type", "message")
            json.member("status", isCompleted ? "completed" : "in_progress")
            json.member("role", "assistant")
            json.array("content") { json in
                if isCompleted { Self.writePart(text, to: &json) }
            }
        }
    }

    private static func writePart(_ text: String, to json: inout JSONWriter) {
        json.object { json in
            json.member("type", "output_text")
            json.member("text", text)
            json.array("annotations") { _ in }
            json.array("logprobs") { _ in }
        }
    }

    private func writeResponse(to json: inout JSONWriter, isCompleted: Bool) {
        json.object { json in
            json.member("id", "resp_" + id)
            json.member("object", "response")
            json.member("created_at", time)
            json.member("status", isCompleted ? "completed" : "in_progress")
            json.member("error", String?.none)
            json.member("incomplete_details", String?.none)
            json.member("instructions", String?.none)
            json.member("model", model)
            json.array("output") { json in
                if isCompleted { writeMessage(to: &json, isCompleted: true) }
            }
            json.member("parallel_tool_calls", true)
            json.member("previous_response_id", String?.none)
            json.member("tool_choice", "auto")
            json.array("tools") { _ in }
            if isCompleted { Self.writeZeroUsage(to: &json) } else { json.member("usage", String?.none) }
            json.object("metadata") { _ in }
        }
    }

    private static func writeZeroUsage(to json: inout JSONWriter) {
        json.object("usage") { json in
            json.member("input_tokens", 0)
            json.object("input_tokens_details") { $0.member("cached_tokens", 0) }
            json.member("output_tokens", 0)
            json.object("output_tokens_details") { $0.member("reasoning_tokens", 0) }
            json.member("total_tokens", 0)
        }
    }
}
