import VerbatimJSON
import VerbatimSchema

// What has been collected, for the record.

extension TokenCapture {
    /// What is known of a prompt among the tokens.
    enum Prompt {
        case absent
        case length(Int)
        /// It may be there, and nobody says how long it is.
        case unknown
    }

    /// The lists for the record, and what is wrong with them.
    ///
    /// - Parameter lacksEndToken: Whether, of ids that are one more than the entries, the last is known to have none.
    func fill(
        _ choice: inout Capture.Choice, prompt: Prompt = .absent, lacksEndToken: Bool = false
    ) -> [ProblemCode] {
        var problems: [ProblemCode] = []
        choice.logprobs = content
        choice.repeatedTokens = repetition.count
        if hasEntries {
            choice.tokens = tokens
            choice.logprobValues = values
        }
        var promptLength = 0
        if case .length(let length) = prompt, length <= tokens.count { promptLength = length }
        if let wholeIDs {
            problems += fill(&choice, withWholeIDs: wholeIDs, lacksEndToken: lacksEndToken)
        } else if hasListedIDs {
            choice.tokenIDs = listedIDs
            if hasEntries && (hasFillers || (promptGap > 0 && promptGap != promptLength)) {
                problems.append(ProblemCode.idsLogprobsMismatch)
            }
            if missingIDs > 0 { problems.append(ProblemCode.tokenIDsIncomplete) }
        } else if entryIDCount > 0 {
            choice.tokenIDs = entryIDs
            if entryIDCount < entryIDs.count { problems.append(ProblemCode.tokenIDsIncomplete) }
        }
        if promptLength > 0 {
            choice.removePrompt(length: promptLength)
        } else if case .absent = prompt {
            // All tokens are the completion's.
        } else {
            problems.append(ProblemCode.echoNotSeparated)
        }
        return problems + checks.problems(from: promptLength, count: values.count)
    }

    /// Ids that come at the end belong to the entries if there are as many of them, or if the entries name theirs. If not,
    /// nobody can say which belongs to which, and only the ids stand.
    private func fill(
        _ choice: inout Capture.Choice, withWholeIDs ids: JSONList, lacksEndToken: Bool
    ) -> [ProblemCode] {
        choice.tokenIDs = ids
        let problems = missingWholeIDs > 0 ? [ProblemCode.tokenIDsIncomplete] : []
        if !hasEntries || ids.count == tokens.count { return problems }
        if entryIDCount == tokens.count, let aligned = TokenAlignment.entries(entryIDs, among: ids) {
            let tokens = tokens.elements
            let values = values.elements
            choice.tokens = JSONList(aligned.map { $0.map { tokens[$0] } })
            choice.logprobValues = JSONList(aligned.map { $0.map { values[$0] } })
            return problems + [ProblemCode.logprobMissing]
        }
        if lacksEndToken && ids.count == tokens.count + 1 {
            choice.tokens.appendNull()
            choice.logprobValues.appendNull()
            return problems + [ProblemCode.endTokenMissing]
        }
        choice.tokens = JSONList(nulls: ids.count)
        choice.logprobValues = JSONList(nulls: ids.count)
        choice.isUnpaired = true
        return problems + [ProblemCode.idsLogprobsMismatch]
    }

    /// Whether a token's text holds anything but ASCII.
    var hasCharactersOfSeveralBytes: Bool {
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

    /// Appends the object `logprobs` as a unary reply would have it.
    func appendLogprobs(to text: inout ByteRope) {
        if content != nil || refusal != nil {
            text.append(#"{"content":"#)
            if let content { text.append(content) } else { text.append("null") }
            if let refusal {
                text.append(key: "refusal")
                text.append(refusal)
            }
        } else if hasEntries {
            text.append("{")
            if let textOffsets {
                text.append(key: "text_offset", isFirst: true)
                text.append(textOffsets)
            }
            text.append(key: "token_logprobs", isFirst: textOffsets == nil)
            text.append(sentValues ?? values)
            text.append(key: "tokens")
            text.append(tokens)
            if let alternatives {
                text.append(key: "top_logprobs")
                text.append(alternatives)
            }
        } else {
            text.append("null")
            return
        }
        text.append("}")
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
