import VerbatimJSON
import VerbatimSchema

/// The tokens of a choice as columns of equal length: text, log-probability, and the id that came with the entry.
struct EntryColumns: Sendable {
    private(set) var tokens = JSONList()
    /// Log-probabilities; `null` for a value that is no number or means that none is known.
    private(set) var values = JSONList()
    /// Empty until an entry has an id. Most engines send none.
    private(set) var ids = JSONList()
    private(set) var idCount = 0
    /// How many entries had an id that is no natural number.
    private(set) var invalidIDs = 0
    /// How many entries had neither a text nor bytes.
    private(set) var textlessCount = 0
    private(set) var losses: JSONNormalizer.Losses = []
    /// Whether the first token has no log-probability, which shows that a prompt is echoed.
    private(set) var beginsWithPrompt = false
    /// Whether a completion's lists had more log-probabilities than tokens.
    private(set) var hasValuesWithoutToken = false

    /// In the place of a text that is not known: readers expect a string.
    static let unknownText = Array("\"\u{FFFD}\"".utf8)

    private var entriesWithoutID = 0
    /// The values as sent, if some of them are not in ``values``.
    private var replacedValues: JSONList?
    private var checks = LogprobChecks()
    private var repetition = Repetition()

    var count: Int { tokens.count }
    /// The values as sent.
    var sentValues: JSONList { replacedValues ?? values }
    /// How many tokens came in instalments that repeated the one before.
    var repeatedTokens: Int { repetition.count }
    /// The length of the tokens' texts, in bytes of their JSON form.
    var textLength: Int { tokens.rope.count - 2 * tokens.count - max(0, tokens.count - 1) }

    /// The codes of what is wrong with the log-probabilities from token `first`.
    func problems(from first: Int) -> [ProblemCode] { checks.problems(from: first, count: values.count) }

    /// Whether a token's text holds anything but ASCII.
    var hasNonASCIIText: Bool {
        var previous: UInt8 = 0
        var isFound = false
        tokens.rope.forEachPiece { piece in
            for byte in piece where !isFound {
                isFound = byte >= 0x80 || (previous == UInt8(ascii: "\\") && byte == UInt8(ascii: "u"))
                previous = byte
            }
        }
        return isFound
    }

    // MARK: Growing

    mutating func beginInstalment() { repetition.begin() }

    mutating func endInstalment() { repetition.end() }

    mutating func append(_ entry: TokenEntry, of text: Span<UInt8>, isNormal: Bool) {
        if let token = entry.token {
            losses.formUnion(tokens.append(token.quoted, of: text, isNormal: isNormal))
        } else {
            appendText(ofBytes: entry.bytes, of: text)
        }
        append(entry.value, of: text)
        if let value = entry.value, value.kind == .number { repetition.append(value, entry.token, of: text) }
        if let id = entry.id?.natural(in: text) {
            appendID(id)
        } else if let id = entry.id, !id.isNull {
            invalidIDs += 1
            appendID(nil)
        } else if let token = entry.token, let spelled = Self.idSpelledOut(in: token, of: text) {
            if spelled.id == nil { invalidIDs += 1 }
            appendID(spelled.id)
        } else {
            appendID(nil)
        }
    }

    /// Appends the text of a token that came as bytes, or as neither.
    private mutating func appendText(ofBytes bytes: JSONValue?, of text: Span<UInt8>) {
        guard let bytes, bytes.kind == .array, let list = JSONList(array: bytes.bytes(in: text).span), !list.isEmpty
        else {
            textlessCount += 1
            tokens.append(Self.unknownText)
            return
        }
        var quoted: [UInt8] = []
        quoted.appendJSONString(
            String(decoding: list.elements.compactMap { UInt8(String(decoding: $0, as: UTF8.self)) }, as: UTF8.self))
        tokens.append(quoted.indices, of: quoted.span)
    }

    /// Appends the tokens of a completion's lists.
    mutating func append(
        _ tokenList: JSONValue, _ valueList: JSONValue?, of text: Span<UInt8>, isNormal: Bool
    ) throws(JSONError) {
        beginInstalment()
        var cursor = JSONCursor(at: tokenList.range.lowerBound, options: .nonFiniteNumbers)
        try cursor.enterArray(in: text)
        var valueCursor: JSONCursor?
        if let valueList {
            valueCursor = JSONCursor(at: valueList.range.lowerBound, options: .nonFiniteNumbers)
            try valueCursor?.enterArray(in: text)
        }
        while try cursor.nextElement(in: text) {
            var entry = TokenEntry()
            if try cursor.peekKind(in: text) == .string {
                entry.token = try cursor.skipString(in: text)
            } else {
                let token = try cursor.skipValue(in: text)
                // Old builds of mlx-lm have the ids here.
                if token.kind == .number { entry.id = token }
            }
            if var ahead = valueCursor {
                if try ahead.nextElement(in: text) {
                    entry.value = try ahead.skipValue(in: text)
                    valueCursor = ahead
                } else {
                    valueCursor = nil
                }
            }
            if tokens.isEmpty, entry.value?.isNull ?? false { beginsWithPrompt = true }
            append(entry, of: text, isNormal: isNormal)
        }
        if var ahead = valueCursor, try ahead.nextElement(in: text) { hasValuesWithoutToken = true }
        endInstalment()
    }

    /// Appends a token of which only the id is known.
    mutating func appendUnknown() {
        tokens.append(Self.unknownText)
        values.appendNull()
        replacedValues?.appendNull()
        appendID(nil)
    }

    private mutating func append(_ value: JSONValue?, of text: Span<UInt8>) {
        guard let value, value.kind == .number else {
            if value?.kind == .nonFinite { losses.insert(.nonFiniteNumber) }
            checks.noteMissing(at: values.count)
            values.appendNull()
            replacedValues?.appendNull()
            return
        }
        if checks.note(value, at: values.count, of: text) {
            if replacedValues == nil { replacedValues = values }
            values.appendNull()
        } else {
            values.append(value.range, of: text, isNormal: true)
        }
        replacedValues?.append(value.range, of: text, isNormal: true)
    }

    private mutating func appendID(_ id: Int?) {
        if let id {
            if idCount == 0 { ids = JSONList(nulls: entriesWithoutID) }
            ids.append(id)
            idCount += 1
        } else if idCount > 0 {
            ids.appendNull()
        } else {
            entriesWithoutID += 1
        }
    }

    /// The id in a token text of the form `token_id:123`, which vLLM writes with `--return-tokens-as-token-ids`; nil for
    /// any other text, and no id in one that names no natural number.
    private static func idSpelledOut(in token: JSONString, of text: Span<UInt8>) -> (id: Int?, Void)? {
        guard token.content.count > 9, text[token.content.lowerBound] == UInt8(ascii: "t") else { return nil }
        let spelled = String(copying: text, token.content)
        guard spelled.hasPrefix("token_id:") else { return nil }
        let number = spelled.dropFirst(9)
        guard let id = Int(number) else { return nil }
        return (number.utf8.allSatisfy { 0x30...0x39 ~= $0 } ? id : nil, ())
    }
}
