import VerbatimJSON

/// The tokens of one choice, collected over any number of instalments.
///
/// Log-probability entries and token ids may come from different fields. Both are kept in step: where an instalment
/// brings more of the one than of the other, the shorter side is filled up with `null` and the capture is marked.
struct TokenCapture: Sendable {
    /// Whether the entries of log-probabilities are kept as sent: they are most of what comes.
    private let keepsEntries: Bool
    /// Elements of `logprobs.content` as sent.
    private(set) var content: JSONList?
    /// Elements of `logprobs.refusal` as sent.
    private(set) var refusal: JSONList?
    private(set) var losses: JSONNormalizer.Losses = []

    private(set) var tokens = JSONList()
    private(set) var values = JSONList()
    /// Ids that came with the entries themselves. Empty as long as none has: from most engines none does.
    private(set) var entryIDs = JSONList()
    private(set) var entryIDCount = 0
    private var entriesWithoutID = 0
    /// The values as sent, if some of them do not stand in `values`.
    private(set) var sentValues: JSONList?
    private(set) var checks = LogprobChecks()
    /// Ids that came in a list of their own.
    private(set) var listedIDs = JSONList()
    private(set) var hasEntries = false
    /// Whether entries came as the lists of a completion.
    private(set) var hasLists = false
    private(set) var hasListedIDs = false
    private(set) var missingIDs = 0
    private(set) var hasFillers = false
    /// How many nulls stand in front of the listed ids, in the place of an echoed prompt's.
    private(set) var promptGap = 0

    init(_ policy: RequestPolicy) { keepsEntries = policy.detail == .full }

    /// How many tokens have come, by the side that brought most.
    var count: Int { max(tokens.count, listedIDs.count) }

    /// The ids that came in a list of their own; `nil` if there were none.
    var idList: JSONList? {
        guard hasListedIDs else { return nil }
        var ids = listedIDs
        ids.removeFirst(promptGap)
        return ids
    }

    /// Lists of a completion's `logprobs` beside the tokens and their values, as sent.
    private(set) var textOffsets: JSONList?
    private(set) var alternatives: JSONList?
    /// Ids of all tokens, from engines that send them at the end.
    private(set) var wholeIDs: JSONList?
    private(set) var missingWholeIDs = 0
    /// Whether a list of tokens was empty.
    private(set) var hasEmptyList = false
    /// How many tokens the echoed prompt has, if the engine tells.
    private(set) var promptLength: Int?
    /// Whether the first token has no log-probability: then a prompt is echoed.
    private(set) var beginsWithPrompt = false
    private(set) var repetition = Repetition()

    /// The length of the tokens' texts, in bytes of their JSON form.
    var textLength: Int { tokens.rope.count - 2 * tokens.count - max(0, tokens.count - 1) }

    // MARK: Reading

    /// Reads the object `logprobs` of a choice.
    mutating func readLogprobs(
        with cursor: inout JSONCursor, of text: Span<UInt8>, notes: inout EventNotes?
    ) throws(JSONError) {
        try cursor.enterObject(in: text)
        var tokens: JSONValue?
        var values: JSONValue?
        while let key = try cursor.nextKey(in: text) {
            let isRefusal = key.equals("refusal", in: text)
            if isRefusal || key.equals("content", in: text) {
                try readEntries(with: &cursor, of: text, isRefusal: isRefusal, notes: &notes)
                continue
            }
            let value = try cursor.skipValue(in: text)
            if value.kind != .array { continue }
            notes?.isComplete = false
            if key.equals("tokens", in: text) {
                tokens = value
            } else if key.equals("token_logprobs", in: text) {
                values = value
            } else if key.equals("text_offset", in: text) {
                if keepsEntries { try Self.append(elementsOf: value, of: text, to: &textOffsets) }
            } else if key.equals("top_logprobs", in: text), keepsEntries {
                try Self.append(elementsOf: value, of: text, to: &alternatives)
            }
        }
        if let tokens { try readLists(tokens, values, of: text, isNormal: cursor.isNormal) }
    }

    /// Reads the lists in which completions have their tokens and log-probabilities.
    private mutating func readLists(
        _ tokens: JSONValue, _ values: JSONValue?, of text: Span<UInt8>, isNormal: Bool
    ) throws(JSONError) {
        repetition.begin()
        hasLists = true
        var cursor = JSONCursor(at: tokens.range.lowerBound, options: .nonFiniteNumbers)
        try cursor.enterArray(in: text)
        var valueCursor: JSONCursor?
        if let values {
            valueCursor = JSONCursor(at: values.range.lowerBound, options: .nonFiniteNumbers)
            try valueCursor?.enterArray(in: text)
        }
        while try cursor.nextElement(in: text) {
            var entry = Entry()
            if try cursor.peekKind(in: text) == .string {
                entry.token = try cursor.skipString(in: text)
            } else {
                try cursor.skipValue(in: text)
            }
            if var ahead = valueCursor {
                if try ahead.nextElement(in: text) {
                    entry.value = try ahead.skipValue(in: text)
                    valueCursor = ahead
                } else {
                    valueCursor = nil
                }
            }
            if self.tokens.isEmpty, entry.value?.isNull ?? false { beginsWithPrompt = true }
            append(entry, of: text, isNormal: isNormal)
        }
        repetition.end()
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

    /// Reads the list of entries that a `logprobs` object holds under `content` or `refusal`.
    mutating func readEntries(
        with cursor: inout JSONCursor, of text: Span<UInt8>, isRefusal: Bool, notes: inout EventNotes?
    ) throws(JSONError) {
        guard try cursor.peekKind(in: text) == .array else {
            try cursor.skipValue(in: text)
            return
        }
        try cursor.enterArray(in: text)
        repetition.begin()
        var first: Int?
        var last = 0
        var count = 0
        while try cursor.nextElement(in: text) {
            let kind = try cursor.peekKind(in: text)
            first = first ?? cursor.offset
            if kind == .object {
                let entry = try readEntry(with: &cursor, of: text)
                notes?.entries.append(entry)
            } else {
                try cursor.skipValue(in: text)
                notes?.isComplete = false
                append(Entry(), of: text, isNormal: cursor.isNormal)
            }
            last = cursor.offset
            count += 1
        }
        repetition.end()
        let elements = (first ?? last)..<last
        if count > 0 {
            if notes?.elements != nil { notes?.isComplete = false }
            notes?.elements = elements
            notes?.isRefusal = isRefusal
        }
        keep(elements, count: count, of: text, isNormal: cursor.isNormal, isRefusal: isRefusal)
    }

    /// Reads the entries of an event that has the form of the one before.
    mutating func readEntries(of event: Span<UInt8>, like form: borrowing EventTemplate) {
        guard let elements = form.elementRange else { return }
        repetition.begin()
        for index in 0..<form.entryCount { append(form.entry(at: index), of: event, isNormal: true) }
        repetition.end()
        keep(elements, count: form.entryCount, of: event, isNormal: true, isRefusal: form.isRefusal)
    }

    private mutating func keep(
        _ elements: Range<Int>, count: Int, of text: Span<UInt8>, isNormal: Bool, isRefusal: Bool
    ) {
        guard keepsEntries else { return }
        if isRefusal {
            losses.formUnion(Self.append(elements, count: count, of: text, isNormal: isNormal, to: &refusal))
        } else {
            losses.formUnion(Self.append(elements, count: count, of: text, isNormal: isNormal, to: &content))
        }
    }

    private static func append(
        _ elements: Range<Int>, count: Int, of text: Span<UInt8>, isNormal: Bool, to list: inout JSONList?
    ) -> JSONNormalizer.Losses {
        // What can be compared is copied for it.
        if case nil = list { list = JSONList() }
        return list?.append(elements: elements, count: count, of: text, isNormal: isNormal) ?? []
    }

    /// What an entry says of its token. An element that is no object says nothing, but stands for a token all the same.
    struct Entry: Sendable {
        var token: JSONString?
        var value: JSONValue?
        var id: JSONValue?
    }

    private mutating func readEntry(
        with cursor: inout JSONCursor, of text: Span<UInt8>
    ) throws(JSONError) -> Entry {
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
        append(entry, of: text, isNormal: cursor.isNormal)
        return entry
    }

    private mutating func append(_ entry: Entry, of text: Span<UInt8>, isNormal: Bool) {
        hasEntries = true
        if let token = entry.token {
            losses.formUnion(tokens.append(token.quoted, of: text, isNormal: isNormal))
        } else {
            tokens.appendNull()
        }
        append(entry.value, of: text)
        if let value = entry.value, value.kind == .number { repetition.append(value, entry.token, of: text) }
        if let id = entry.id?.int(in: text) {
            appendEntryID(id)
        } else if let token = entry.token, let id = Self.idSpelledOut(in: token, of: text) {
            appendEntryID(id)
        } else {
            appendEntryID(nil)
        }
    }

    /// A value that says nothing stands as null.
    private mutating func append(_ value: JSONValue?, of text: Span<UInt8>) {
        guard let value, value.kind == .number else {
            if value?.kind == .nonFinite { losses.insert(.nonFiniteNumber) }
            checks.noteMissing(at: values.count)
            values.appendNull()
            sentValues?.appendNull()
            return
        }
        if checks.note(value, at: values.count, of: text) {
            if sentValues == nil { sentValues = values }
            values.appendNull()
        } else {
            values.append(value.range, of: text, isNormal: true)
        }
        sentValues?.append(value.range, of: text, isNormal: true)
    }

    private mutating func appendEntryID(_ id: Int?) {
        if let id {
            if entryIDCount == 0 { entryIDs = JSONList(nulls: entriesWithoutID) }
            entryIDs.append(id)
            entryIDCount += 1
        } else if entryIDCount > 0 {
            entryIDs.appendNull()
        } else {
            entriesWithoutID += 1
        }
    }

    /// The id in a token text of the form `token_id:123`, which vLLM writes with `--return-tokens-as-token-ids`.
    private static func idSpelledOut(in token: JSONString, of text: Span<UInt8>) -> Int? {
        guard token.content.count > 9, text[token.content.lowerBound] == UInt8(ascii: "t") else { return nil }
        let spelled = String(copying: text, token.content)
        return spelled.hasPrefix("token_id:") ? Int(spelled.dropFirst(9)) : nil
    }

    /// Reads a list of ids.
    mutating func readIDs(_ list: JSONValue, of text: Span<UInt8>) throws(JSONError) {
        guard list.kind == .array else { return }
        let known = listedIDs.count
        if list.range.count == 2 { hasEmptyList = true }
        missingIDs += try Self.append(idsOf: list, of: text, to: &listedIDs)
        if listedIDs.count > known { hasListedIDs = true }
    }

    /// Appends ids, joined by commas.
    mutating func append(ids: Range<Int>, of text: Span<UInt8>) {
        var count = 1
        for index in ids where text[index] == UInt8(ascii: ",") { count += 1 }
        listedIDs.append(elements: ids, count: count, of: text, isNormal: true)
        hasListedIDs = true
    }

    /// Reads ids of all tokens of the choice, or of the next of them. An empty list says nothing.
    mutating func readWholeIDs(_ list: JSONValue, of text: Span<UInt8>) throws(JSONError) {
        guard list.kind == .array else { return }
        var ids = wholeIDs ?? JSONList()
        missingWholeIDs += try Self.append(idsOf: list, of: text, to: &ids)
        if !ids.isEmpty { wholeIDs = ids }
    }

    /// Appends the ids in a list; answers how many there are none of. What is no number says nothing, but stands for a
    /// token all the same.
    private static func append(
        idsOf list: JSONValue, of text: Span<UInt8>, to ids: inout JSONList
    ) throws(JSONError) -> Int {
        var missing = 0
        var cursor = JSONCursor(at: list.range.lowerBound, options: .nonFiniteNumbers)
        try cursor.enterArray(in: text)
        while try cursor.nextElement(in: text) {
            let id = try cursor.skipValue(in: text)
            if id.kind == .number {
                ids.append(id.range, of: text, isNormal: true)
            } else {
                ids.appendNull()
                missing += 1
            }
        }
        return missing
    }

    /// Whether the ids of all tokens have come.
    var hasWholeIDs: Bool { wholeIDs != nil }

    /// Takes the ids of all tokens of the choice, as a JSON array, in place of what has come of them.
    mutating func takeWholeIDs(_ array: [UInt8]) {
        guard let ids = JSONList(array: array.span), !ids.isEmpty else { return }
        wholeIDs = nil
        missingWholeIDs = 0
        try? readWholeIDs(JSONValue(kind: .array, range: array.indices), of: array.span)
    }

    mutating func notePrompt(length: Int) { promptLength = length }

    /// Evens out what one event or body has brought.
    ///
    /// - Parameter isEcho: Whether the prompt is repeated. Lists of ids leave it out.
    mutating func endInstalment(isEcho: Bool) {
        if isEcho && beginsWithPrompt && promptGap == 0 && hasListedIDs && tokens.count > listedIDs.count {
            promptGap = tokens.count - listedIDs.count
            var ids = JSONList(nulls: promptGap)
            ids.append(contentsOf: listedIDs)
            listedIDs = ids
        }
        while tokens.count < listedIDs.count {
            tokens.appendNull()
            values.appendNull()
            sentValues?.appendNull()
            appendEntryID(nil)
            hasFillers = true
        }
        while listedIDs.count < tokens.count {
            listedIDs.appendNull()
            hasFillers = true
        }
    }
}
