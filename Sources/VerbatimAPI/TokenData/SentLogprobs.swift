import VerbatimJSON

/// The log-probabilities of a choice as the engine sent them, alternatives included.
struct SentLogprobs: Sendable {
    /// Whether entries are kept. They are most of what an engine sends, and a compact record omits them.
    private let keepsEntries: Bool
    /// Elements of `logprobs.content`.
    private var content: JSONList?
    private(set) var losses: JSONNormalizer.Losses = []
    private var refusal: JSONList?
    /// DeepSeek's, of the tokens before the content.
    private var reasoning: JSONList?
    private var textOffsets: JSONList?
    private var alternatives: JSONList?

    init(keepsEntries: Bool) { self.keepsEntries = keepsEntries }

    /// The entries of the tokens in the order in which these were generated; nil if there were none.
    var entries: JSONList? {
        guard var all = reasoning else { return content }
        if let content { all.append(contentsOf: content) }
        return all
    }

    /// How many log-probabilities the entries have, those of alternatives included.
    var valueCount: Int {
        // Within a string, the quotes of such a text would be escaped.
        let name = Array(#""logprob""#.utf8)
        var count = 0
        for list in [reasoning, content] {
            let text = list?.rope.bytes ?? []
            for colon in text.indices where text[colon] == UInt8(ascii: ":") && colon >= name.count {
                if name.equals(colon - name.count..<colon, of: text.span) { count += 1 }
            }
        }
        return count
    }

    /// Appends `count` entries, which are in `elements`.
    mutating func append(
        _ elements: Range<Int>, count: Int, of text: Span<UInt8>, isNormal: Bool, part: TokenPart
    ) {
        guard keepsEntries else { return }
        switch part {
        case .content:
            losses.formUnion(Self.append(elements, count: count, of: text, isNormal: isNormal, to: &content))
        case .refusal:
            losses.formUnion(Self.append(elements, count: count, of: text, isNormal: isNormal, to: &refusal))
        case .reasoning:
            losses.formUnion(Self.append(elements, count: count, of: text, isNormal: isNormal, to: &reasoning))
        }
    }

    /// Appends the lists that a completion has beside its tokens and their values.
    mutating func append(_ lists: TokenLists, of text: Span<UInt8>) throws(JSONError) {
        guard keepsEntries else { return }
        if let offsets = lists.textOffsets { try Self.append(elementsOf: offsets, of: text, to: &textOffsets) }
        if let top = lists.alternatives { try Self.append(elementsOf: top, of: text, to: &alternatives) }
    }

    private static func append(
        _ elements: Range<Int>, count: Int, of text: Span<UInt8>, isNormal: Bool, to list: inout JSONList?
    ) -> JSONNormalizer.Losses {
        // A comparison with `==` would copy the list.
        if case nil = list { list = JSONList() }
        return list?.append(elements: elements, count: count, of: text, isNormal: isNormal) ?? []
    }

    private static func append(
        elementsOf array: JSONValue, of text: Span<UInt8>, to list: inout JSONList?
    ) throws(JSONError) {
        var cursor = JSONCursor(at: array.range.lowerBound, options: .nonFiniteNumbers)
        var all = list ?? JSONList()
        list = nil
        try cursor.enterArray(in: text)
        while try cursor.nextElement(in: text) { all.append(try cursor.skipValue(in: text).range, of: text) }
        list = all
    }

    /// Appends the object `logprobs` as a reply that is not streamed has it.
    ///
    /// - Parameters:
    ///   - columns: The tokens, if any came with log-probabilities.
    ///   - omitsEntries: Whether null takes the place of ``entries``, or of the object if it says nothing else.
    func append(to text: inout ByteRope, columns: EntryColumns?, omitsEntries: Bool) {
        let hasEntries = !(content?.isEmpty ?? true) || !(reasoning?.isEmpty ?? true)
        if omitsEntries && hasEntries && refusal?.isEmpty ?? true {
            text.append("null")
        } else if content != nil || refusal != nil || reasoning != nil {
            func append(_ list: JSONList) {
                if omitsEntries && !list.isEmpty { text.append("null") } else { text.append(list) }
            }
            text.append(#"{"content":"#)
            if let content { append(content) } else { text.append("null") }
            if let reasoning {
                text.append(key: "reasoning_content")
                append(reasoning)
            }
            if let refusal {
                text.append(key: "refusal")
                text.append(refusal)
            }
            text.append("}")
        } else if let columns {
            text.append("{")
            if let textOffsets {
                text.append(key: "text_offset", isFirst: true)
                text.append(textOffsets)
            }
            text.append(key: "token_logprobs", isFirst: textOffsets == nil)
            text.append(columns.sentValues)
            text.append(key: "tokens")
            text.append(columns.tokens)
            if let alternatives {
                text.append(key: "top_logprobs")
                text.append(alternatives)
            }
            text.append("}")
        } else {
            text.append("null")
        }
    }
}
