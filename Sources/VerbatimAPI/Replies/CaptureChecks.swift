import VerbatimJSON
package import VerbatimSchema

extension Capture {
    package mutating func note(_ codes: [ProblemCode]) {
        for code in codes where !problems.contains(code) { problems.append(code) }
    }

    mutating func note(_ losses: JSONNormalizer.Losses) {
        if losses.contains(.nonFiniteNumber) { note([ProblemCode.nonFiniteNumber]) }
        if losses.contains(.invalidUTF8) { note([ProblemCode.invalidUTF8]) }
        if losses.contains(.fieldsBeyondLimit) { note([ProblemCode.tooManyFields]) }
    }

    /// Determines the capture level and makes every check that is possible on the tokens.
    ///
    /// - Parameters:
    ///   - hasOutput: Whether the reply has text or anything else that was generated.
    ///   - omitsEndToken: Whether the engine counts the token that ends a turn without sending it.
    mutating func checkTokens(_ state: ReplyState, counts: Counts, hasOutput: Bool, omitsEndToken: Bool) {
        var isCountedEmpty = false
        // A count of 0 is not true of a reply that has output.
        if case .total(0) = counts { isCountedEmpty = !hasOutput }
        // A choice for which nothing was generated does not lower the level of the others.
        let generated = choices.contains { !$0.isEmpty } ? choices.filter { !$0.isEmpty } : choices
        let withIDs = generated.allSatisfy { !$0.tokenIDs.isEmpty }
        let withLogprobs = generated.allSatisfy { !$0.logprobValues.isEmpty && !$0.isUnpaired }
        switch (choices.isEmpty, withIDs, withLogprobs) {
        case (false, true, true): level = .tokens
        case (false, false, true): level = .logprobs
        case (false, true, false): level = .ids
        default: level = choices.isEmpty ? .none : .text
        }
        if level == .text && state.policy.wantsTokenData && !isCountedEmpty { note([ProblemCode.noTokenData]) }
        guard level == .tokens || level == .logprobs || level == .ids else { return }
        if choices.contains(where: \.hidesTokens) { note([ProblemCode.hiddenTokensMissing]) }
        switch counts {
        case .unknown: noteRepetitions(among: choices[...])
        case .total(let count): compare(choices[...], with: count, omitsEndToken: omitsEndToken)
        case .each(let counts):
            for (index, count) in zip(choices.indices, counts) {
                compare(choices[index...index], with: count, omitsEndToken: omitsEndToken)
            }
        case .ofOneChoice: note([ProblemCode.tokenCountUnknown])
        }
    }

    private mutating func compare(_ choices: ArraySlice<Choice>, with count: Int, omitsEndToken: Bool) {
        let captured = choices.reduce(0) { $0 + max($1.tokenIDs.count, $1.logprobValues.count) }
        if captured == count && !omitsEndToken { return }
        noteRepetitions(among: choices)
        if captured == count { return }
        let endsByItself = choices.allSatisfy { choice in
            choice.finishReason == Array(#""stop""#.utf8) || choice.finishReason == Array(#""tool_calls""#.utf8)
        }
        let lacksEndToken = omitsEndToken && endsByItself && captured + choices.count == count
        note([lacksEndToken ? ProblemCode.endTokenMissing : ProblemCode.tokenCountMismatch])
    }

    /// Notes a choice whose text has characters that no token explains.
    mutating func checkTexts(_ texts: [ByteRope]) {
        if areTextsUnexplained(texts) { note([ProblemCode.tokenTextMismatch]) }
    }

    /// Whether the text of a choice has characters that no token explains. False if tokens are known to be missing.
    ///
    /// - Parameter texts: As JSON texts without quotes.
    func areTextsUnexplained(_ texts: [ByteRope]) -> Bool {
        let explanations: Set<ProblemCode> = [
            .hiddenTokensMissing, .tokenCountMismatch, .tokenCountUnknown, .idsLogprobsMismatch, .tokenTextMissing,
            .logprobMissing, .duplicateEvent, .unparsedEvent, .invalidUTF8, .echoNotSeparated,
        ]
        if choices.isEmpty || !explanations.isDisjoint(with: problems) { return false }
        return zip(choices, texts).contains { choice, text in
            !choice.tokens.isEmpty && choice.finishReason != Array(#""content_filter""#.utf8)
                && TokenTexts.contradict(choice.tokens, text)
        }
    }

    private mutating func noteRepetitions(among choices: ArraySlice<Choice>) {
        if choices.contains(where: { $0.repeatedTokens > 0 }) { note([ProblemCode.duplicateEvent]) }
    }

    /// Checks the choices of a reply that has ended as its API requires.
    ///
    /// - Parameter wanted: How many choices were requested.
    mutating func checkChoices(_ state: ReplyState, wanted: Int, counts: Counts) {
        if choices.isEmpty {
            if problems.contains(ProblemCode.replyNotJSON) { return }
            note([state.policy.wantsTokenData ? ProblemCode.noTokenData : ProblemCode.choicesMissing])
            if case .total(let count) = counts, count > 0 { note([ProblemCode.tokenCountMismatch]) }
            return
        }
        if choices.contains(where: { !$0.isFinished }) { note([ProblemCode.finishReasonMissing]) }
        if choices.count < wanted { note([ProblemCode.choicesMissing]) }
    }

    /// Notes how the reply ended. To be called after all other checks.
    mutating func checkEnd(_ state: ReplyState) {
        if state.isWhole && choices.isEmpty && problems.isEmpty && state.replyError == nil
            && state.policy.wantsTokenData
        {
            note([ProblemCode.noTokenData])
        }
        if !state.isTerminated && state.replyError == nil { note([ProblemCode.streamNotTerminated]) }
        isComplete = problems.isEmpty && state.replyError == nil
    }
}
