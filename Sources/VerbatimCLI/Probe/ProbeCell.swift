import VerbatimJSON

/// One kind of request that an agent may make.
struct ProbeCell: Hashable, Sendable {
    enum API: String, CaseIterable, Sendable {
        case chatCompletions = "chat.completions"
        case completions
        case responses
        case messages

        var path: String {
            switch self {
            case .chatCompletions: "/v1/chat/completions"
            case .completions: "/v1/completions"
            case .responses: "/v1/responses"
            case .messages: "/v1/messages"
            }
        }
    }

    let api: API
    let isStream: Bool
    let hasTools: Bool

    /// Every kind, or those of one API.
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

    /// A request that makes the model say a few words, or call a tool if it is forced to.
    ///
    /// - Parameter forcesTool: Not every engine takes that.
    func request(model: String, forcesTool: Bool) -> [UInt8] {
        var body = Array("{".utf8)
        body.appendJSONKey("model")
        body.appendJSONString(model)
        switch api {
        case .completions: body.append(contentsOf: #","prompt":"Hello","max_tokens":8"#.utf8)
        case .responses:
            body.append(contentsOf: #","input":"Say hello.","store":false,"max_output_tokens":\#(limit)"#.utf8)
        case .chatCompletions, .messages:
            let message = #"{"role":"user","content":"Say hello."}"#
            body.append(contentsOf: #","messages":[\#(message)],"max_tokens":\#(limit)"#.utf8)
        }
        if hasTools {
            body.append(contentsOf: #","tools":[\#(tool)]"#.utf8)
            if forcesTool { body.append(contentsOf: #","tool_choice":\#(toolChoice)"#.utf8) }
        }
        if isStream {
            body.append(contentsOf: #","stream":true"#.utf8)
            if api == .chatCompletions || api == .completions {
                body.append(contentsOf: #","stream_options":{"include_usage":true}"#.utf8)
            }
        }
        body.append(UInt8(ascii: "}"))
        return body
    }

    /// Few, but enough for a tool call to begin; OpenAI's responses have no less than 16.
    private var limit: Int { hasTools ? 32 : 16 }

    private var toolChoice: String { api == .messages ? #"{"type":"any"}"# : #""required""# }

    private var tool: String {
        let schema =
            #"{"type":"object","properties":{"text":{"type":"string"}},"required":["text"],"additionalProperties":false}"#
        let function = #""name":"say","description":"Says a text aloud""#
        return switch api {
        case .messages: #"{\#(function),"input_schema":\#(schema)}"#
        case .responses: #"{"type":"function",\#(function),"parameters":\#(schema)}"#
        case .chatCompletions, .completions:
            #"{"type":"function","function":{\#(function),"parameters":\#(schema)}}"#
        }
    }
}
