import JSONBytes

/// The tokens of one choice, collected over any number of instalments.
///
/// Log-probability entries and token ids may come from different fields. Both are kept in step: where an instalment
/// brings more of the one than of the other, the shorter side is filled up with `null` and the capture is marked.
struct TokenCapture: Sendable {
    /// Elements of `logprobs.content` as sent.
    private(set) var content: JSONList?
    /// Elements of `logprobs.refusal` as sent.
    private(set) var refusal: JSONList?
    private(set) var losses: JSONNormalizer.Losses = []

    private var tokens = JSONList()
    private var values = JSONList()
    /// Ids that came with the entries themselves.
    private var entryIDs = JSONList()
    private var entryIDCount = 0
    /// Whether token texts have the form `token_id:123`.
    private(set) var spellsIDsOut = false
    private var missingValues = 0
    /// Ids that came in a list of their own.
    private var listedIDs = JSONList()
    private var hasEntries = false
    private var hasListedIDs = false
    private var missingIDs = 0
    private var hasFillers = false

    /// How many tokens have come, by the side that brought most.
    var count: Int { max(tokens.count, listedIDs.count) }
    /// Whether entries name their ids, as llama.cpp's do.
    var entriesCarryIDs: Bool { entryIDCount > 0 }

    /// The ids that came in a list of their own, as a JSON array; `nil` if there were none.
    var idList: [UInt8]? { hasListedIDs ? listedIDs.array : nil }

    // MARK: Reading

    /// Reads the list of entries that a `logprobs` object holds under `content` or `refusal`.
    mutating func readEntries(
        with cursor: inout JSONCursor, of text: Span<UInt8>, isRefusal: Bool
    ) throws(JSONError) {
        guard try cursor.peekKind(in: text) == .array else {
            try cursor.skipValue(in: text)
            return
        }
        try cursor.enterArray(in: text)
        var first: Int?
        var last = 0
        var count = 0
        while try cursor.nextElement(in: text) {
            let kind = try cursor.peekKind(in: text)
            first = first ?? cursor.offset
            if kind == .object {
                try readEntry(with: &cursor, of: text)
            } else {
                try cursor.skipValue(in: text)
                append(Entry(), of: text)
            }
            last = cursor.offset
            count += 1
        }
        var list = (isRefusal ? refusal : content) ?? JSONList()
        if isRefusal { refusal = nil } else { content = nil }
        if let first { losses.formUnion(list.append(elements: first..<last, count: count, of: text)) }
        if isRefusal { refusal = list } else { content = list }
    }

    /// What an entry says of its token. An element that is no object says nothing, but stands for a token all the same.
    private struct Entry {
        var token: JSONString?
        var value: JSONValue?
        var id: JSONValue?
    }

    private mutating func readEntry(with cursor: inout JSONCursor, of text: Span<UInt8>) throws(JSONError) {
        var entry = Entry()
        try cursor.enterObject(in: text)
        while let key = try cursor.nextKey(in: text) {
            if key.equals("token", in: text), try cursor.peekKind(in: text) == .string {
                entry.token = try cursor.skipString(in: text)
            } else if key.equals("logprob", in: text) {
                entry.value = try cursor.skipValue(in: text)
            } else if key.equals("id", in: text) || key.equals("token_id", in: text) {
                entry.id = try cursor.skipValue(in: text)
            } else {
                try cursor.skipValue(in: text)
            }
        }
        append(entry, of: text)
    }

    private mutating func append(_ entry: Entry, of text: Span<UInt8>) {
        hasEntries = true
        if let token = entry.token {
            losses.formUnion(tokens.append(token.quoted, of: text))
        } else {
            tokens.appendNull()
        }
        if let value = entry.value, value.kind == .number {
            values.append(value.range, of: text)
        } else {
            if entry.value?.kind == .nonFinite { losses.insert(.nonFiniteNumber) }
            values.appendNull()
            missingValues += 1
        }
        if let id = entry.id?.int(in: text) {
            appendEntryID(id)
        } else if let token = entry.token, let id = Self.idSpelledOut(in: token, of: text) {
            spellsIDsOut = true
            appendEntryID(id)
        } else {
            appendEntryID(nil)
        }
    }

    private mutating func appendEntryID(_ id: Int?) {
        if let id {
            entryIDs.append(id)
            entryIDCount += 1
        } else {
            entryIDs.appendNull()
        }
    }

    /// The id in a token text of the form `token_id:123`, which vLLM writes with `--return-tokens-as-token-ids`.
    private static func idSpelledOut(in token: JSONString, of text: Span<UInt8>) -> Int? {
        guard token.content.count > 9, text[token.content.lowerBound] == UInt8(ascii: "t") else { return nil }
        let spelled = String(copying: text, token.content)
        return spelled.hasPrefix("token_id:") ? Int(spelled.dropFirst(9)) : nil
    }

    /// Reads a list of ids. What is no number says nothing, but stands for a token all the same.
    mutating func readIDs(_ list: JSONValue, of text: Span<UInt8>) throws(JSONError) {
        guard list.kind == .array else { return }
        var cursor = JSONCursor(at: list.range.lowerBound, options: .nonFiniteNumbers)
        try cursor.enterArray(in: text)
        while try cursor.nextElement(in: text) {
            let id = try cursor.skipValue(in: text)
            if id.kind == .number {
                listedIDs.append(id.range, of: text)
            } else {
                listedIDs.appendNull()
                missingIDs += 1
            }
            hasListedIDs = true
        }
    }

    /// Evens out what one event or body has brought.
    mutating func endInstalment() {
        while tokens.count < listedIDs.count {
            tokens.appendNull()
            values.appendNull()
            entryIDs.appendNull()
            hasFillers = true
        }
        while listedIDs.count < tokens.count {
            listedIDs.appendNull()
            hasFillers = true
        }
    }

    // MARK: Result

    /// The lists for the record, and what is wrong with them.
    func fill(_ choice: inout Capture.Choice) -> [String] {
        var problems: [String] = []
        choice.logprobs = content
        if hasEntries {
            choice.tokens = tokens
            choice.logprobValues = values
        }
        if hasListedIDs {
            choice.tokenIDs = listedIDs
            if hasEntries && hasFillers { problems.append(Problem.idsLogprobsMismatch) }
            if missingIDs > 0 { problems.append(Problem.tokenIDsIncomplete) }
        } else if entryIDCount > 0 {
            choice.tokenIDs = entryIDs
            if entryIDCount < entryIDs.count { problems.append(Problem.tokenIDsIncomplete) }
        }
        if missingValues > 0 { problems.append(Problem.logprobMissing) }
        return problems
    }
}
