import VerbatimJSON
import VerbatimSchema

/// The tokens of one choice, collected over any number of instalments.
///
/// Log-probability entries and token ids may come in different fields. Both are kept in step: where an instalment
/// brings more of one than of the other, the shorter side is filled up with `null` and the capture is marked.
struct TokenCollector: Sendable {
    private var columns = EntryColumns()
    private var sent: SentLogprobs
    /// Ids that came in lists of their own, with each instalment.
    private var listed = TokenIDList()
    /// Ids of all tokens, from engines that send them at the end.
    private var whole: TokenIDList?
    private var hasListedIDs = false
    private var hasFillers = false
    /// How many nulls are in front of the listed ids, in the place of an echoed prompt's.
    private var promptGap = 0
    /// Whether the prompt is echoed. Lists of ids leave it out.
    private let isEcho: Bool

    /// Whether log-probabilities have come.
    private(set) var hasEntries = false
    /// Whether they came as the lists of a completion.
    private(set) var hasLists = false
    /// Whether a list of ids was empty.
    private(set) var hasEmptyList = false
    /// How many tokens the echoed prompt has, if the engine reports it.
    private(set) var promptLength: Int?

    /// - Parameter keepsEntries: Whether the entries of log-probabilities are kept as sent.
    init(keepsEntries: Bool, isEcho: Bool = false) {
        sent = SentLogprobs(keepsEntries: keepsEntries)
        self.isEcho = isEcho
    }

    /// How many tokens have come, by the side that brought more.
    var count: Int { max(columns.count, listed.count) }
    /// The length of the tokens' texts, in bytes of their JSON form.
    var textLength: Int { columns.textLength }
    var hasNonASCIIText: Bool { columns.hasNonASCIIText }
    /// Whether the first token has no log-probability, which shows that a prompt is echoed.
    var beginsWithPrompt: Bool { columns.beginsWithPrompt }
    /// Whether the ids of all tokens have come at the end.
    var hasWholeIDs: Bool { whole != nil }
    var losses: JSONNormalizer.Losses { columns.losses.union(sent.losses) }

    /// The ids that came in lists of their own; nil if there were none.
    var idList: JSONList? {
        guard hasListedIDs else { return nil }
        var ids = listed.ids
        ids.removeFirst(promptGap)
        return ids
    }

    /// Appends the object `logprobs` as a reply that is not streamed has it.
    ///
    /// - Parameter omitsEntries: Whether null takes the place of ``entries``.
    func appendLogprobs(to text: inout ByteRope, omitsEntries: Bool) {
        sent.append(to: &text, columns: hasEntries ? columns : nil, omitsEntries: omitsEntries)
    }

    /// The entries as sent, in the order in which their tokens were generated; nil if there were none or they are not
    /// kept.
    var entries: JSONList? { sent.entries }

    /// Whether `other` has the same tokens with the same ids and log-probabilities, and as many alternatives of them.
    func isRepeated(by other: TokenCollector) -> Bool {
        columns.count == other.columns.count && columns.tokens == other.columns.tokens
            && columns.sentValues == other.columns.sentValues && columns.ids == other.columns.ids
            && sent.valueCount == other.sent.valueCount
    }

    // MARK: Growing

    @inline(__always)
    mutating func apply(_ effect: TokenEffect, of text: Span<UInt8>, isNormal: Bool) {
        switch effect {
        case .beginEntries: columns.beginInstalment()
        case .appendEntry(let entry):
            hasEntries = true
            columns.append(entry, of: text, isNormal: isNormal)
        case .endEntries(_, let elements, let count, let part):
            columns.endInstalment()
            sent.append(elements, count: count, of: text, isNormal: isNormal, part: part)
        case .appendLists(let lists): append(lists, of: text, isNormal: isNormal)
        case .appendIDs(let list): appendIDs(list, of: text)
        case .endInstalment: endInstalment()
        }
    }

    private mutating func append(_ lists: TokenLists, of text: Span<UInt8>, isNormal: Bool) {
        // The lists have been passed before, so that reading them again cannot fail.
        try? sent.append(lists, of: text)
        guard let tokens = lists.tokens else { return }
        hasLists = true
        let known = columns.count
        try? columns.append(tokens, lists.values, of: text, isNormal: isNormal)
        if columns.count > known { hasEntries = true }
    }

    private mutating func appendIDs(_ list: JSONValue, of text: Span<UInt8>) {
        guard list.kind == .array else { return }
        let known = listed.count
        if list.range.count == 2 { hasEmptyList = true }
        try? listed.append(list, of: text)
        if listed.count > known { hasListedIDs = true }
    }

    /// Appends ids of all tokens of the choice, or of the next of them. An empty list says nothing.
    mutating func appendWholeIDs(_ list: JSONValue, of text: Span<UInt8>) throws(JSONError) {
        guard list.kind == .array else { return }
        var ids = whole ?? TokenIDList()
        try ids.append(list, of: text)
        if ids.count > 0 { whole = ids }
    }

    /// Takes the ids of all tokens of the choice, as a JSON array, in place of those that have come at the end.
    mutating func setWholeIDs(_ array: [UInt8]) {
        guard let ids = JSONList(array: array.span), !ids.isEmpty else { return }
        whole = nil
        try? appendWholeIDs(JSONValue(kind: .array, range: array.indices), of: array.span)
    }

    mutating func notePrompt(length: Int) { promptLength = length }

    /// Pads the shorter side after an event or a body, so that ids and log-probabilities stay aligned.
    private mutating func endInstalment() {
        if isEcho && beginsWithPrompt && promptGap == 0 && hasListedIDs && columns.count > listed.count {
            promptGap = columns.count - listed.count
            listed.insertGap(promptGap)
        }
        while columns.count < listed.count {
            columns.appendUnknown()
            hasFillers = true
        }
        while listed.count < columns.count {
            listed.appendNull()
            hasFillers = true
        }
    }

    // MARK: Result

    /// What is known of a prompt among the tokens.
    enum Prompt {
        case absent
        case length(Int)
        /// It may be there, and its length is not known.
        case unknown
    }

    /// Fills in the lists for the record. Returns the codes of what is wrong with them.
    ///
    /// - Parameter lacksEndToken: Whether, of ids that are one more than the entries, the last is known to have no
    ///   entry.
    /// - Parameter mayLackTexts: Whether the engine sends ids in place of texts.
    func fill(
        _ choice: inout Capture.Choice, prompt: Prompt = .absent, lacksEndToken: Bool = false,
        mayLackTexts: Bool = false
    ) -> [ProblemCode] {
        var problems: [ProblemCode] = []
        choice.logprobs = sent.entries
        choice.repeatedTokens = columns.repeatedTokens
        if hasEntries {
            choice.tokens = columns.tokens
            choice.logprobValues = columns.values
        }
        var promptLength = 0
        if case .length(let length) = prompt, length <= columns.count { promptLength = length }
        if let whole {
            problems += fill(&choice, withWholeIDs: whole, lacksEndToken: lacksEndToken)
        } else if hasListedIDs {
            choice.tokenIDs = listed.ids
            if hasEntries && (hasFillers || (promptGap > 0 && promptGap != promptLength)) {
                problems.append(ProblemCode.idsLogprobsMismatch)
            }
            // Entries that name other ids belong to other tokens.
            let isContradicted = columns.idCount == columns.count && columns.ids.rope.bytes != listed.ids.rope.bytes
            if columns.idCount > 0 && !hasFillers && promptGap == 0 && isContradicted {
                problems.append(ProblemCode.idsLogprobsMismatch)
            }
            problems += listed.problems
        } else if columns.idCount > 0 {
            choice.tokenIDs = columns.ids
            if columns.idCount < columns.ids.count { problems.append(ProblemCode.tokenIDsIncomplete) }
        }
        if columns.hasValuesWithoutToken { problems.append(ProblemCode.idsLogprobsMismatch) }
        if columns.invalidIDs > 0 { problems.append(ProblemCode.tokenIDInvalid) }
        if columns.textlessCount > 0 {
            if columns.textlessCount == columns.count { choice.tokens = JSONList() }
            let isUsual = mayLackTexts && columns.textlessCount == columns.count && columns.idCount == columns.count
            if !isUsual { problems.append(ProblemCode.tokenTextMissing) }
        }
        if promptLength > 0 {
            choice.removePrompt(length: promptLength)
        } else if case .absent = prompt {
            // All tokens are the completion's.
        } else {
            problems.append(ProblemCode.echoNotSeparated)
        }
        return problems + columns.problems(from: promptLength)
    }

    /// Ids that come at the end belong to the entries if there are as many of them, or if the entries name theirs. If
    /// not, it is not known which belongs to which, and only the ids are kept.
    private func fill(
        _ choice: inout Capture.Choice, withWholeIDs whole: TokenIDList, lacksEndToken: Bool
    ) -> [ProblemCode] {
        let ids = whole.ids
        choice.tokenIDs = ids
        let problems = whole.problems
        if !hasEntries || ids.count == columns.count { return problems }
        if columns.idCount == columns.count, let aligned = TokenAlignment.entries(columns.ids, among: ids) {
            let tokens = columns.tokens.elements
            let values = columns.values.elements
            choice.tokens = JSONList(aligned.map { $0.map { tokens[$0] } ?? EntryColumns.unknownText[...] })
            choice.logprobValues = JSONList(aligned.map { $0.map { values[$0] } })
            return problems + [ProblemCode.logprobMissing]
        }
        if lacksEndToken && ids.count == columns.count + 1 {
            choice.tokens.append(EntryColumns.unknownText)
            choice.logprobValues.appendNull()
            return problems + [ProblemCode.endTokenMissing]
        }
        choice.tokens = JSONList()
        choice.logprobValues = JSONList(nulls: ids.count)
        choice.isUnpaired = true
        return problems + [ProblemCode.idsLogprobsMismatch]
    }
}

extension TokenIDList {
    fileprivate var problems: [ProblemCode] {
        (missing > 0 ? [ProblemCode.tokenIDsIncomplete] : []) + (invalid > 0 ? [ProblemCode.tokenIDInvalid] : [])
    }
}

extension Capture.Choice {
    /// Takes an echoed prompt's tokens away.
    fileprivate mutating func removePrompt(length: Int) {
        logprobValues.removeFirst(length)
        tokens.removeFirst(length)
        if tokenIDs.count > logprobValues.count { tokenIDs.removeFirst(tokenIDs.count - logprobValues.count) }
    }
}
