import VerbatimJSON

/// The part of one choice that has arrived so far.
struct ReplyChoice: Sendable {
    let index: Int
    /// The message of a chat completion.
    var message = ChatMessage()
    /// The text of a completion, or the visible text of a message that was not streamed, as the inside of a JSON
    /// string.
    var text = ByteRope()
    var tokens: TokenCollector
    /// How many tokens the engine says it generated for this choice.
    var countByEngine: Int?
    /// The prompt's ids, from engines that send them with each choice.
    var promptTokenIDs: [UInt8]?
    /// `finish_reason`, `stop_reason` and all other fields of the choice.
    var fields = DeltaAccumulator()
    private var textLosses: JSONNormalizer.Losses = []
    /// Whether a message that was not streamed has reasoning or tool calls.
    private(set) var hasHiddenParts = false

    init(index: Int, keepsEntries: Bool, isEcho: Bool) {
        self.index = index
        tokens = TokenCollector(keepsEntries: keepsEntries, isEcho: isEcho)
    }

    /// Whether any generated output has arrived.
    var hasOutput: Bool { !text.isEmpty || tokens.count > 0 || message.hasOutput }

    /// Whether the engine says that the choice broke off: vLLM's `abort`, and `error` of routers.
    var hasFailed: Bool {
        ["\"error\"", "\"abort\""].contains { fields.value("finish_reason") == Array($0.utf8) }
    }

    /// Whether a finish reason has come.
    var isFinished: Bool { (fields.value("finish_reason")?.count ?? 0) > 2 }

    var losses: JSONNormalizer.Losses {
        tokens.losses.union(message.losses).union(fields.losses).union(textLosses)
    }

    mutating func append(text value: JSONValue, of document: Span<UInt8>) {
        let string = JSONString(quoted: value.range, hasEscapes: true)
        textLosses.formUnion(text.append(contentOf: string, of: document))
    }

    /// The visible text, as the inside of a JSON string.
    func visibleText(in api: API) -> ByteRope {
        api == .completions || !text.isEmpty ? text : message.visibleText
    }

    /// What a message has of generated parts beside its visible text.
    private static let hiddenFields: [StaticString] = [
        "tool_calls", "function_call", "reasoning", "reasoning_content", "reasoning_details", "thinking",
    ]

    /// Reads the visible text of a message that was not streamed.
    mutating func readMessage(with cursor: inout JSONCursor, of document: Span<UInt8>) throws(JSONError) {
        guard try cursor.peekKind(in: document) == .object else {
            try cursor.skipValue(in: document)
            return
        }
        try cursor.enterObject(in: document)
        while let key = try cursor.nextKey(in: document) {
            let value = try cursor.skipValue(in: document)
            if value.kind == .string && (key.equals("content", in: document) || key.equals("refusal", in: document)) {
                append(text: value, of: document)
            } else if !value.isNull, value.range.count > 2,
                Self.hiddenFields.contains(where: { key.equals($0, in: document) })
            {
                hasHiddenParts = true
            }
        }
    }

    /// Appends the choice in the form it has in a reply that is not streamed.
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
        if detail.keepsEntries {
            rope.append(key: "logprobs")
            tokens.appendLogprobs(to: &rope, omitsEntries: detail == .entries)
        }
        if let ids = tokens.idList {
            rope.append(key: "token_ids")
            rope.append(ids)
        }
        if let promptTokenIDs {
            rope.append(key: "prompt_token_ids")
            rope.append(promptTokenIDs)
        }
        fields.append(to: &rope, isFirst: false)
        rope.append("}")
    }
}
