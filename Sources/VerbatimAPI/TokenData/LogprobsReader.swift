import VerbatimJSON

/// Walks log-probabilities and emits the effects of what it finds.
enum LogprobsReader {
    /// Where the entries are that an object `logprobs` has.
    struct FoundEntries {
        /// The lists that have any entries.
        fileprivate var content: Range<Int>?
        fileprivate var reasoning: Range<Int>?
        /// Whether the object says anything else.
        fileprivate var hasOthers = false

        /// Notes a value without entries.
        fileprivate mutating func note(_ kind: JSONKind, _ value: Range<Int>) {
            let isEmpty = kind == .null || (kind == .array && value.count == 2)
            if !isEmpty { hasOthers = true }
        }

        /// Puts null in the place of the entries, or of the whole `object` if it says nothing else.
        func remove(from object: Range<Int>, edits: inout JSONEdits) {
            if content == nil && reasoning == nil { return }
            if !hasOthers { return edits.replace(object, with: .null) }
            if let content { edits.replace(content, with: .null) }
            if let reasoning { edits.replace(reasoning, with: .null) }
        }
    }

    /// Reads the object `logprobs` of a choice.
    @discardableResult
    static func readObject(
        with cursor: inout JSONCursor, of text: Span<UInt8>, emit: (TokenEffect) -> Void
    ) throws(JSONError) -> FoundEntries {
        var found = FoundEntries()
        try cursor.enterObject(in: text)
        var lists = TokenLists()
        var hasReasoning = false
        var hasContent = false
        while let key = try cursor.nextKey(in: text) {
            let kind = try cursor.peekKind(in: text)
            let start = cursor.offset
            if key.equals("content", in: text) {
                // The reasoning was generated before the content, and may come after it.
                if !hasReasoning && !hasContent {
                    hasReasoning = try readReasoning(after: cursor, of: text, found: &found, emit: emit)
                }
                hasContent = true
                if let content = try readEntries(with: &cursor, of: text, as: .content, emit: emit) {
                    found.content = content
                } else {
                    found.note(kind, start..<cursor.offset)
                }
                continue
            }
            if key.equals("refusal", in: text) {
                try readEntries(with: &cursor, of: text, as: .refusal, emit: emit)
                found.note(kind, start..<cursor.offset)
                continue
            }
            if key.equals("reasoning_content", in: text) && !hasReasoning {
                found.reasoning = try readEntries(with: &cursor, of: text, as: .reasoning, emit: emit)
                if found.reasoning == nil { found.note(kind, start..<cursor.offset) }
                hasReasoning = true
                continue
            }
            let value = try cursor.skipValue(in: text)
            if value.range != found.reasoning { found.note(kind, value.range) }
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
        return found
    }

    /// Reads the entries of the reasoning, which may come after the value at `cursor`. Returns whether there are any.
    private static func readReasoning(
        after cursor: JSONCursor, of text: Span<UInt8>, found: inout FoundEntries, emit: (TokenEffect) -> Void
    ) throws(JSONError) -> Bool {
        var ahead = cursor
        try ahead.skipValue(in: text)
        while let key = try ahead.nextKey(in: text) {
            if key.equals("reasoning_content", in: text) {
                found.reasoning = try readEntries(with: &ahead, of: text, as: .reasoning, emit: emit)
                return true
            }
            try ahead.skipValue(in: text)
        }
        return false
    }

    /// Reads a list of entries: `content` or `refusal` of a choice, or `logprobs` of a response's text. Returns where the
    /// list is; nil if it has no entries.
    @discardableResult
    static func readEntries(
        with cursor: inout JSONCursor, of text: Span<UInt8>, as part: TokenPart, emit: (TokenEffect) -> Void
    ) throws(JSONError) -> Range<Int>? {
        guard try cursor.peekKind(in: text) == .array else {
            try cursor.skipValue(in: text)
            return nil
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
        return count > 0 ? start..<cursor.offset : nil
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
