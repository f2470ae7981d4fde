import VerbatimJSON
import VerbatimSchema

extension TurnRecord {
    /// How many tokens the turn used.
    package var tokenUse: TokenUse {
        var evidence = TokenUse.Evidence()
        evidence.usage = usage
        evidence.promptTokens = {
            let ids = promptTokenIDs ?? choices.lazy.compactMap(\.promptTokenIDs).first
            return ids.flatMap { JSONList(array: $0.span)?.count }
        }
        evidence.completionTokens = choices.reduce(0) { $0 + $1.tokenCount }
        evidence.lacksTokens = problems.contains(ProblemCode.hiddenTokensMissing)
        evidence.isFinished = outcome == .completed && !choices.contains { $0.finishReason == nil }
        evidence.isRefused = TokenUse.isRefused(outcome, level: level)
        evidence.requestSize = request.count
        evidence.response = { response.bytes }
        return TokenUse(evidence)
    }
}

extension ChoiceRecord {
    fileprivate var tokenCount: Int { max(tokens.count, tokenIDs.count, logprobValues.count) }
}
