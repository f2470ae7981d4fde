import VerbatimAPI
import VerbatimJSON

/// One kind of request that an agent may make.
struct ProbeCell: Hashable, Sendable {
    let api: API
    let isStream: Bool
    let hasTools: Bool

    /// Returns every kind of request to `apis`.
    static func all(of apis: [API]) -> [ProbeCell] {
        apis.flatMap { api in
            [false, true].flatMap { isStream in
                (api == .completions ? [false] : [false, true]).map { hasTools in
                    ProbeCell(api: api, isStream: isStream, hasTools: hasTools)
                }
            }
        }
    }

    var name: String {
        "\(api.rawValue) \(isStream ? "stream" : "unary")\(hasTools ? " with tools" : "")"
    }

    /// Returns a request for a few words, or with `forcesTool` for a tool call, which some engines refuse.
    func request(model: String, forcesTool: Bool) -> [UInt8] {
        JSONWriter.bytes { json in
            json.object { json in
                json.member("model", model)
                writePrompt(to: &json)
                if hasTools { writeTool(isForced: forcesTool, to: &json) }
                if isStream {
                    json.member("stream", true)
                    if api == .chatCompletions || api == .completions {
                        json.object("stream_options") { $0.member("include_usage", true) }
                    }
                }
            }
        }
    }

    private func writePrompt(to json: inout JSONWriter) {
        switch api {
        case .completions:
            json.member("prompt", "Hello")
            json.member("max_tokens", 8)
        case .responses:
            json.member("input", "Say hello.")
            json.member("store", false)
            json.member("max_output_tokens", limit)
        case .chatCompletions, .messages:
            json.array("messages") { json in
                json.object { json in
                    json.member("role", "user")
                    json.member("content", "Say hello.")
                }
            }
            json.member("max_tokens", limit)
        }
    }

    /// Few tokens, but enough to begin a tool call. OpenAI's Responses API accepts no less than 16.
    private var limit: Int { hasTools ? 32 : 16 }

    private func writeTool(isForced: Bool, to json: inout JSONWriter) {
        json.array("tools") { json in
            json.object { json in
                switch api {
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
        guard isForced else { return }
        if api == .messages {
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
