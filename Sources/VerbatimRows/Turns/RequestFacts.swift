import VerbatimJSON

/// What a request says about the purpose of its call and about how its tokens were sampled.
struct RequestFacts: Sendable {
    /// The fields that change how tokens are sampled, in the order of ``samplingFields``, with their JSON texts.
    private(set) var sampling: [(name: String, value: [UInt8])] = []
    /// The name of the model that was asked for.
    private(set) var model: String?
    private(set) var hasTools = false
    private(set) var hasStopStrings = false
    /// The highest number of tokens that the reply may have.
    private(set) var tokenLimit: Int?
    /// Whether a grammar or a forced tool decides a part of the tokens.
    private(set) var isConstrained = false
    /// Whether the request contains images or sound, which token ids do not show.
    private(set) var isMultimodal = false

    private static let samplingFields: [StaticString] = [
        "temperature", "top_p", "top_k", "min_p", "seed", "n", "stop", "presence_penalty", "frequency_penalty",
        "repetition_penalty", "logit_bias",
    ]
    private static let limitFields: [StaticString] = [
        "max_completion_tokens", "max_tokens", "max_output_tokens", "n_predict",
    ]
    private static let constraintFields: [StaticString] = [
        "guided_json", "guided_regex", "guided_choice", "guided_grammar", "structured_outputs", "grammar",
        "json_schema", "regex", "ebnf",
    ]

    /// - Parameter json: The body of the request.
    init(_ json: [UInt8]) {
        let text = json.span
        guard let request = try? JSONObject(document: text, options: .nonFiniteNumbers) else { return }
        for name in Self.samplingFields {
            guard let value = request.value(name, in: text), !value.isNull else { continue }
            sampling.append((name.description, value.bytes(in: text)))
        }
        model = request.value("model", in: text)?.string(in: text)
        hasStopStrings = !(request.value("stop", in: text)?.isNull ?? true)
        hasTools = ["tools", "functions"].contains { (name: StaticString) in
            !(request.value(name, in: text)?.elements(in: text)?.isEmpty ?? true)
        }
        for name in Self.limitFields where tokenLimit == nil {
            tokenLimit = request.value(name, in: text)?.int(in: text)
        }
        isConstrained =
            Self.constraintFields.contains { !(request.value($0, in: text)?.isNull ?? true) }
            || Self.forcesTool(request.value("tool_choice", in: text), in: text)
            || Self.formatsReply(request, in: text)
        isMultimodal = ["messages", "input"].contains { (name: StaticString) in
            Self.hasMedia(request.value(name, in: text), in: text)
        }
    }

    private static func forcesTool(_ choice: JSONValue?, in text: Span<UInt8>) -> Bool {
        guard let choice else { return false }
        if choice.kind != .object { return ["required", "any"].contains(choice.string(in: text)) }
        let type = choice.object(in: text)?.value("type", in: text)?.string(in: text)
        return type != "auto" && type != "none"
    }

    /// Whether the reply must be JSON: `response_format`, or `text.format` of a request to `responses`.
    private static func formatsReply(_ request: JSONObject, in text: Span<UInt8>) -> Bool {
        let formats = [
            request.value("response_format", in: text),
            request.value("text", in: text)?.object(in: text)?.value("format", in: text),
        ]
        return formats.contains { format in
            guard let type = format?.object(in: text)?.value("type", in: text)?.string(in: text) else { return false }
            return type != "text"
        }
    }

    /// Whether a part of a message's content is of a type other than text.
    private static func hasMedia(_ messages: JSONValue?, in text: Span<UInt8>) -> Bool {
        let media = ["image_url", "input_image", "image", "input_audio", "audio_url", "video_url", "video", "file"]
        for message in messages?.elements(in: text) ?? [] {
            guard let content = message.object(in: text)?.value("content", in: text), content.kind == .array else {
                continue
            }
            for part in content.elements(in: text) ?? [] {
                let type = part.object(in: text)?.value("type", in: text)?.string(in: text)
                if let type, media.contains(type) { return true }
            }
        }
        return false
    }
}
