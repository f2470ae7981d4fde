import VerbatimJSON

/// Walks log-probabilities and emits the effects of what it finds.
enum LogprobsReader {
    /// Reads the object `logprobs` of a choice.
    static func readObject(
        with cursor: inout JSONCursor, of text: Span<UInt8>, emit: (TokenEffect) -> Void
    ) throws(JSONError) {
        try cursor.enterObject(in: text)
        var lists = TokenLists()
        var hasReasoning = false
        var hasContent = false
        while let key = try cursor.nextKey(in: text) {
            if key.equals("content", in: text) {
                // The reasoning was generated before the content, and may come after it.
                if !hasReasoning && !hasContent {
                    hasReasoning = try readReasoning(after: cursor, of: text, emit: emit)
                }
                hasContent = true
                try readEntries(with: &cursor, of: text, as: .content, emit: emit)
                continue
            }
            if key.equals("refusal", in: text) {
                try readEntries(with: &cursor, of: text, as: .refusal, emit: emit)
                continue
            }
            if key.equals("reasoning_content", in: text) && !hasReasoning {
                try readEntries(with: &cursor, of: text, as: .reasoning, emit: emit)
                hasReasoning = true
                continue
            }
            let value = try cursor.skipValue(in: text)
            if value.kind != .array { continue }
            if key.equals("tokens", in: text) {
                lists.tokens = value
            } else if key.equals("token_logprobs", in: text) {
                lists.values = value
            } else if key.equals("token_ids", in: text) {
                // Together's.
                emit(.appendIDs(value))
            } else if key.equals("text_offset", in: text) {
                lists.textOffsets = value
            } else if key.equals("top_logprobs", in: text) {
                lists.alternatives = value
            }
        }
        if lists.hasAny { emit(.appendLists(lists)) }
    }

    /// Reads the entries of the reasoning, which may come after the value at `cursor`. Returns whether there are any.
    private static func readReasoning(
        after cursor: JSONCursor, of text: Span<UInt8>, emit: (TokenEffect) -> Void
    ) throws(JSONError) -> Bool {
        var ahead = cursor
        try ahead.skipValue(in: text)
        while let key = try ahead.nextKey(in: text) {
            if key.equals("reasoning_content", in: text) {
                try readEntries(with: &ahead, of: text, as: .reasoning, emit: emit)
                return true
            }
            try ahead.skipValue(in: text)
        }
        return false
    }

    /// Reads a list of entries: `content` or `refusal` of a choice, or `logprobs` of a response's text.
    static func readEntries(
        with cursor: inout JSONCursor, of text: Span<UInt8>, as part: TokenPart, emit: (TokenEffect) -> Void
    ) throws(JSONError) {
        guard try cursor.peekKind(in: text) == .array else {
            try cursor.skipValue(in: text)
            return
        }
        let start = cursor.offset
        try cursor.enterArray(in: text)
        emit(.beginEntries)
        var first: Int?
        var last = cursor.offset
        var count = 0
        while try cursor.nextElement(in: text) {
            let kind = try cursor.peekKind(in: text)
            first = first ?? cursor.offset
            var entry = TokenEntry()
            if kind == .object {
                entry = try readEntry(with: &cursor, of: text)
            } else {
                try cursor.skipValue(in: text)
            }
            emit(.appendEntry(entry))
            last = cursor.offset
            count += 1
        }
        emit(
            .endEntries(
                list: JSONValue(kind: .array, range: start..<cursor.offset), elements: (first ?? last)..<last,
                count: count, part: part))
    }

    private static func readEntry(
        with cursor: inout JSONCursor, of text: Span<UInt8>
    ) throws(JSONError) -> TokenEntry {
        var entry = TokenEntry()
        try cursor.enterObject(in: text)
        while let key = try cursor.nextKey(in: text) {
            if key.equals("token", in: text), try cursor.peekKind(in: text) == .string {
                entry.token = try cursor.skipString(in: text)
            } else if key.equals("logprob", in: text) {
                entry.value = try cursor.skipValue(in: text)
            } else if key.equals("id", in: text) || key.equals("token_id", in: text) {
                entry.id = try cursor.skipValue(in: text)
            } else if key.equals("bytes", in: text) {
                entry.bytes = try cursor.skipValue(in: text)
            } else {
                try cursor.skipValue(in: text)
            }
        }
        if entry.token != nil { entry.bytes = nil }
        return entry
    }
}
