import JSONBytes

extension Capture {
    package mutating func note(_ codes: [String]) {
        for code in codes where !problems.contains(code) { problems.append(code) }
    }

    mutating func note(_ losses: JSONNormalizer.Losses) {
        if losses.contains(.nonFiniteNumber) { note([Problem.nonFiniteNumber]) }
        if losses.contains(.invalidUTF8) { note([Problem.invalidUTF8]) }
    }

    /// Finds the level that was reached and makes every check that can be made.
    ///
    /// - Parameter count: How many tokens the engine says it generated, over all choices.
    /// - Parameter omitsEndToken: Whether the engine counts the token that ends a turn, but does not send it.
    mutating func judge(wantsTokenData: Bool, countedByEngine count: Int?, omitsEndToken: Bool) {
        let withIDs = choices.allSatisfy { !$0.tokenIDs.isEmpty }
        let withLogprobs = choices.allSatisfy { !$0.logprobValues.isEmpty }
        switch (choices.isEmpty, withIDs, withLogprobs) {
        case (false, true, true): level = .tokens
        case (false, false, true): level = .logprobs
        case (false, true, false): level = .ids
        default: level = choices.isEmpty ? .none : .text
        }
        if level == .text && wantsTokenData && count != 0 { note([Problem.noTokenData]) }
        if level == .tokens || level == .logprobs || level == .ids, let count {
            let captured = choices.reduce(0) { $0 + max($1.tokenIDs.count, $1.logprobValues.count) }
            let endsByItself = choices.allSatisfy { choice in
                choice.finishReason == Array(#""stop""#.utf8) || choice.finishReason == Array(#""tool_calls""#.utf8)
            }
            if omitsEndToken && endsByItself && captured + choices.count == count {
                note([Problem.endTokenMissing])
            } else if captured != count {
                note([Problem.tokenCountMismatch])
            }
        }
    }
}
