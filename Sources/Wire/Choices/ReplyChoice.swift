import JSONBytes

/// One choice of a completion, as far as it has come.
struct ReplyChoice: Sendable {
    let index: Int
    /// A chat completion's.
    var message = ChatMessage()
    /// A completion's: what stands between the quotes.
    var text: [UInt8] = []
    var tokens = TokenCapture()
    /// How many tokens the engine says it generated for this choice.
    var countByEngine: Int?
    /// The prompt's ids, from engines that send them with each choice.
    var promptTokenIDs: [UInt8]?
    /// `finish_reason`, `stop_reason` and whatever else the engine says of the choice.
    var fields = FieldBag()
    var textLosses: JSONNormalizer.Losses = []

    init(index: Int) { self.index = index }

    /// Whether something generated has come.
    var hasOutput: Bool { !text.isEmpty || tokens.count > 0 || message.hasOutput }

    mutating func append(text value: JSONValue, of document: Span<UInt8>) {
        let string = JSONString(quoted: value.range, hasEscapes: true)
        textLosses.formUnion(JSONNormalizer.append(contentOf: string, of: document, to: &text))
    }

    /// The choice as a unary reply would have it.
    func json(dialect: Dialect, detail: TraceDetail) -> [UInt8] {
        var object = Array(#"{"index":\#(index)"#.utf8)
        if dialect == .chatCompletions {
            object.appendJSONKey("message")
            object.append(contentsOf: message.json)
        } else {
            object.appendJSONKey("text")
            object.append(UInt8(ascii: "\""))
            object.append(contentsOf: text)
            object.append(UInt8(ascii: "\""))
        }
        if detail == .full {
            object.appendJSONKey("logprobs")
            object.append(contentsOf: tokens.logprobsJSON)
        }
        if let ids = tokens.idList {
            object.appendJSONKey("token_ids")
            object.append(contentsOf: ids)
        }
        if let promptTokenIDs {
            object.appendJSONKey("prompt_token_ids")
            object.append(contentsOf: promptTokenIDs)
        }
        fields.append(to: &object)
        object.append(UInt8(ascii: "}"))
        return object
    }
}
