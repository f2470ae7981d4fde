import VerbatimAPI
import VerbatimJSON
import VerbatimPlatform

/// The body of a request whose reply should end as its cell says.
struct ProbeRequest: Sendable {
    let cell: ProbeCell
    let model: String
    /// Whether a tool call is demanded, which some engines refuse.
    let forcesTool: Bool
    /// Where a reply must stop that is meant to end by a stop string.
    let stopString: String

    /// Enough for a model that reasons to come to its end.
    private static let roomyLimit = 512
    /// OpenAI's Responses API accepts no less.
    private static let tightLimit = 16

    var body: [UInt8] {
        JSONWriter.bytes { json in
            json.object { json in
                json.member("model", model)
                writePrompt(to: &json)
                json.member(limitName, cell.ending == .length ? Self.tightLimit : Self.roomyLimit)
                if cell.api == .responses { json.member("store", false) }
                if cell.hasTools { writeTool(to: &json) }
                if cell.ending == .stopString {
                    json.member(cell.api == .messages ? "stop_sequences" : "stop", [stopString])
                }
                if cell.isStream { writeStream(to: &json) }
            }
        }
    }

    /// Whether a reply ended as it was meant to.
    ///
    /// - Parameter reason: In the words of the API. Many engines have one word for a reply that ended by itself and for
    ///   one that met a stop string; but the former says the stop string, and most often ends with a full stop. Some
    ///   call everything `completed`.
    func isEnding(_ reason: String, generated: Int?, hasCall: Bool, text: String) -> Bool {
        let isOwn = ["stop", "end_turn", "completed"].contains(reason) && !hasCall
        return switch cell.ending {
        case .toolCall: hasCall
        case .length: ["length", "max_tokens", "max_output_tokens"].contains(reason) || generated == Self.tightLimit
        case .stop: isOwn
        case .stopString:
            reason == "stop_sequence"
                || isOwn && !text.contains(text: stopString) && !(text.last?.isPunctuation ?? false)
        }
    }

    private var limitName: StaticString { cell.api == .responses ? "max_output_tokens" : "max_tokens" }

    private var prompt: String {
        switch cell.ending {
        case .stop, .stopString:
            cell.api == .completions
                ? "Question: What is two plus two? Answer in one short sentence.\nAnswer:"
                : "Greet me in one short sentence."
        case .toolCall: "Say hello with the tool."
        case .length: cell.api == .completions ? "Once upon a time" : "Tell me a long story about the sea."
        }
    }

    private func writePrompt(to json: inout JSONWriter) {
        switch cell.api {
        case .completions: json.member("prompt", prompt)
        case .responses: json.member("input", prompt)
        case .chatCompletions, .messages:
            json.array("messages") { json in
                json.object { json in
                    json.member("role", "user")
                    json.member("content", prompt)
                }
            }
        }
    }

    private func writeStream(to json: inout JSONWriter) {
        json.member("stream", true)
        if cell.api == .chatCompletions || cell.api == .completions {
            json.object("stream_options") { $0.member("include_usage", true) }
        }
    }

    private func writeTool(to json: inout JSONWriter) {
        json.array("tools") { json in
            json.object { json in
                switch cell.api {
                case .messages: writeFunction(schema: "input_schema", to: &json)
                case .responses:
                    json.member("type", "function")
                    writeFunction(schema: "parameters", to: &json)
                case .chatCompletions, .completions:
                    json.member("type", "function")
                    json.object("function") { writeFunction(schema: "parameters", to: &$0) }
                }
            }
        }
        guard forcesTool else { return }
        if cell.api == .messages {
            json.object("tool_choice") { $0.member("type", "any") }
        } else {
            json.member("tool_choice", "required")
        }
    }

    private func writeFunction(schema: StaticString, to json: inout JSONWriter) {
        json.member("name", "say")
        json.member("description", "Says a text")
        json.object(schema) { json in
            json.member("type", "object")
            json.object("properties") { json in
                json.object("text") { $0.member("type", "string") }
            }
            json.member("required", ["text"])
            json.member("additionalProperties", false)
        }
    }
}
