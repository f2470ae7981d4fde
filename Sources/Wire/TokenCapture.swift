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

    /// Lists of a completion's `logprobs` beside the tokens and their values, as sent.
    private var textOffsets: JSONList?
    private var alternatives: JSONList?
    /// Ids of all tokens, from engines that send them at the end.
    private var wholeIDs: JSONList?
    /// How many tokens the echoed prompt has, if the engine tells.
    private(set) var promptLength: Int?
    /// Whether the first token has no log-probability: then a prompt is echoed.
    private(set) var beginsWithPrompt = false
    private var fillerValues = 0
    /// How many log-probabilities were 0, as long as none was anything else; `nil` then.
    private var zeros: Int? = 0
    private var repetition = Repetition()

    /// The length of the tokens' texts, in bytes of their JSON form.
    var textLength: Int { tokens.bytes.count - 3 * tokens.count }

    // MARK: Reading

    /// Reads the object `logprobs` of a choice.
    mutating func readLogprobs(with cursor: inout JSONCursor, of text: Span<UInt8>) throws(JSONError) {
        try cursor.enterObject(in: text)
        var tokens: JSONValue?
        var values: JSONValue?
        while let key = try cursor.nextKey(in: text) {
            let isRefusal = key.equals("refusal", in: text)
            if isRefusal || key.equals("content", in: text) {
                try readEntries(with: &cursor, of: text, isRefusal: isRefusal)
                continue
            }
            let value = try cursor.skipValue(in: text)
            if value.kind != .array { continue }
            if key.equals("tokens", in: text) {
                tokens = value
            } else if key.equals("token_logprobs", in: text) {
                values = value
            } else if key.equals("text_offset", in: text) {
                try Self.append(elementsOf: value, of: text, to: &textOffsets)
            } else if key.equals("top_logprobs", in: text) {
                try Self.append(elementsOf: value, of: text, to: &alternatives)
            }
        }
        if let tokens { try readLists(tokens, values, of: text) }
    }

    /// Reads the lists in which completions have their tokens and log-probabilities.
    private mutating func readLists(
        _ tokens: JSONValue, _ values: JSONValue?, of text: Span<UInt8>
    ) throws(JSONError) {
        repetition.begin()
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
            append(entry, of: text)
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
        with cursor: inout JSONCursor, of text: Span<UInt8>, isRefusal: Bool
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
        repetition.end()
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
            if Self.isFiller(value, in: text) {
                fillerValues += 1
                values.appendNull()
            } else {
                values.append(value.range, of: text)
            }
            if let count = zeros { zeros = Self.isZero(value, in: text) ? count + 1 : nil }
            repetition.append(value, entry.token, of: text)
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

    /// vLLM writes -9999 for what is minus infinity and for what is missing, llama.cpp the least number it knows.
    private static func isFiller(_ value: JSONValue, in text: Span<UInt8>) -> Bool {
        guard value.range.count > 4, text[value.range.lowerBound] == UInt8(ascii: "-") else { return false }
        var digits = 0
        var index = value.range.lowerBound + 1
        while index < value.range.upperBound, (0x30...0x39).contains(text[index]) {
            digits += 1
            index += 1
        }
        var hasExponent = false
        while index < value.range.upperBound, !hasExponent {
            hasExponent = text[index] | 0x20 == UInt8(ascii: "e")
            index += 1
        }
        guard digits >= 4 || hasExponent else { return false }
        return (value.double(in: text) ?? 0) <= -9999
    }

    private static func isZero(_ value: JSONValue, in text: Span<UInt8>) -> Bool {
        for index in value.range {
            switch text[index] {
            case UInt8(ascii: "-"), UInt8(ascii: "0"), UInt8(ascii: "."): continue
            case UInt8(ascii: "e"), UInt8(ascii: "E"): return true
            default: return false
            }
        }
        return true
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

    /// Reads the ids of all tokens of the choice.
    mutating func readWholeIDs(_ list: JSONValue, of text: Span<UInt8>) throws(JSONError) {
        guard list.kind == .array else { return }
        try Self.append(elementsOf: list, of: text, to: &wholeIDs)
    }

    /// Whether the ids of all tokens have come.
    var hasWholeIDs: Bool { wholeIDs != nil }

    /// Takes the ids of all tokens of the choice, as a JSON array.
    mutating func takeWholeIDs(_ array: [UInt8]) { wholeIDs = JSONList(array: array.span) ?? wholeIDs }

    mutating func notePrompt(length: Int) { promptLength = length }

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
    ///
    /// - Parameters:
    ///   - promptLength: How many of the first tokens are an echoed prompt's.
    ///   - lacksEndToken: Whether the last id's token is known to have no entry, if there is one id more.
    func fill(
        _ choice: inout Capture.Choice, promptLength: Int? = nil, lacksEndToken: Bool = false
    ) -> [String] {
        var problems: [String] = []
        choice.logprobs = content
        choice.repeatedTokens = repetition.count
        if hasEntries {
            choice.tokens = tokens
            choice.logprobValues = values
        }
        if let wholeIDs {
            problems += fill(&choice, withWholeIDs: wholeIDs, lacksEndToken: lacksEndToken)
        } else if hasListedIDs {
            choice.tokenIDs = listedIDs
            if hasEntries && hasFillers { problems.append(Problem.idsLogprobsMismatch) }
            if missingIDs > 0 { problems.append(Problem.tokenIDsIncomplete) }
        } else if entryIDCount > 0 {
            choice.tokenIDs = entryIDs
            if entryIDCount < entryIDs.count { problems.append(Problem.tokenIDsIncomplete) }
        }
        var missing = missingValues
        if beginsWithPrompt {
            if let promptLength, promptLength <= tokens.count {
                missing -= choice.removePrompt(length: promptLength)
            } else {
                problems.append(Problem.echoNotSeparated)
            }
        }
        if missing > 0 { problems.append(Problem.logprobMissing) }
        if fillerValues > 0 { problems.append(Problem.logprobFiller) }
        if let zeros, zeros >= Self.suspiciousZeros { problems.append(Problem.logprobsAllZero) }
        return problems
    }

    /// So many tokens of probability 1 in a row are taken for values nobody computed.
    private static let suspiciousZeros = 4

    /// Ids that come at the end belong to the entries only if there are as many of them. If not, nobody can say which
    /// belongs to which, and only the ids stand.
    private func fill(
        _ choice: inout Capture.Choice, withWholeIDs ids: JSONList, lacksEndToken: Bool
    ) -> [String] {
        choice.tokenIDs = ids
        if !hasEntries || ids.count == tokens.count { return [] }
        if lacksEndToken && ids.count == tokens.count + 1 {
            choice.tokens.appendNull()
            choice.logprobValues.appendNull()
            return [Problem.endTokenMissing]
        }
        choice.tokens = JSONList(nulls: ids.count)
        choice.logprobValues = JSONList(nulls: ids.count)
        choice.isUnpaired = true
        return [Problem.idsLogprobsMismatch]
    }

    /// The object `logprobs` as a unary reply would have it.
    var logprobsJSON: [UInt8] {
        var object = Array("{".utf8)
        if content != nil || refusal != nil {
            object.appendJSONKey("content")
            object.append(contentsOf: content?.array ?? Array("null".utf8))
            if let refusal {
                object.appendJSONKey("refusal")
                object.append(contentsOf: refusal.array)
            }
        } else if hasEntries {
            if let textOffsets {
                object.appendJSONKey("text_offset")
                object.append(contentsOf: textOffsets.array)
            }
            object.appendJSONKey("token_logprobs")
            object.append(contentsOf: values.array)
            object.appendJSONKey("tokens")
            object.append(contentsOf: tokens.array)
            if let alternatives {
                object.appendJSONKey("top_logprobs")
                object.append(contentsOf: alternatives.array)
            }
        } else {
            return Array("null".utf8)
        }
        object.append(UInt8(ascii: "}"))
        return object
    }
}

/// Whether instalments repeat the one before, as those of an event that was sent twice do.
private struct Repetition: Sendable {
    /// How many tokens came in such instalments.
    private(set) var count = 0
    private var previous: [UInt8] = []
    private var current: [UInt8] = []
    private var entries = 0

    mutating func begin() {
        swap(&previous, &current)
        current.removeAll(keepingCapacity: true)
        entries = 0
    }

    mutating func append(_ value: JSONValue, _ token: JSONString?, of text: Span<UInt8>) {
        entries += 1
        // A probability of 1 comes again and again; few other numbers do.
        guard value.range.count > 6 else { return }
        current.append(copying: text, value.range)
        if let token { current.append(copying: text, token.quoted) }
    }

    mutating func end() {
        if !current.isEmpty && current == previous { count += entries }
    }
}

extension Capture.Choice {
    /// Takes an echoed prompt's tokens away; answers how many of them had no log-probability.
    fileprivate mutating func removePrompt(length: Int) -> Int {
        let prompt = logprobValues.removeFirst(length)
        tokens.removeFirst(length)
        if tokenIDs.count > logprobValues.count { tokenIDs.removeFirst(tokenIDs.count - logprobValues.count) }
        return prompt
    }
}
