import VerbatimJSON

/// One choice of a completion, as far as it has come.
struct ReplyChoice: Sendable {
    let index: Int
    /// A chat completion's.
    var message = ChatMessage()
    /// A completion's: what stands between the quotes.
    var text = ByteRope()
    var tokens: TokenCapture
    /// How many tokens the engine says it generated for this choice.
    var countByEngine: Int?
    /// The prompt's ids, from engines that send them with each choice.
    var promptTokenIDs: [UInt8]?
    /// `finish_reason`, `stop_reason` and whatever else the engine says of the choice.
    var fields = FieldBag()
    var textLosses: JSONNormalizer.Losses = []

    init(index: Int, policy: RequestPolicy) {
        self.index = index
        tokens = TokenCapture(policy)
    }

    /// Whether something generated has come.
    var hasOutput: Bool { !text.isEmpty || tokens.count > 0 || message.hasOutput }

    mutating func append(text value: JSONValue, of document: Span<UInt8>) {
        let string = JSONString(quoted: value.range, hasEscapes: true)
        textLosses.formUnion(text.append(contentOf: string, of: document))
    }

    /// Appends the choice as a unary reply would have it.
    func append(to rope: inout ByteRope, api: API, detail: TraceDetail) {
        rope.append(Array(#"{"index":\#(index)"#.utf8))
        if api == .chatCompletions {
            rope.append(key: "message")
            message.append(to: &rope)
        } else {
            rope.append(key: "text")
            rope.append("\"")
            rope.append(text)
            rope.append("\"")
        }
        if detail == .full {
            rope.append(key: "logprobs")
            tokens.appendLogprobs(to: &rope)
        }
        if let ids = tokens.idList {
            rope.append(key: "token_ids")
            rope.append(ids)
        }
        if let promptTokenIDs {
            rope.append(key: "prompt_token_ids")
            rope.append(promptTokenIDs)
        }
        rope.append(about: fields.length) { fields.append(to: &$0, isFirst: false) }
        rope.append("}")
    }
}
