import VerbatimJSON
import VerbatimSchema

extension Turn {
    /// How many tokens the turn used: what ``TurnRecord/tokenUse`` said when it was written.
    package var tokenUse: TokenUse {
        var evidence = TokenUse.Evidence()
        evidence.usage = usageJSON
        evidence.promptTokens = { (promptTokenIDs ?? choices.lazy.compactMap(\.promptTokenIDs).first)?.count }
        evidence.completionTokens = choices.reduce(0) { $0 + $1.tokenCount }
        evidence.lacksTokens = captureProblems.contains(ProblemCode.hiddenTokensMissing)
        evidence.isFinished = outcome == .completed && !choices.contains { $0.finishReason == nil }
        evidence.isRefused = TokenUse.isRefused(outcome, level: captureLevel)
        evidence.requestSize = requestJSON.count
        evidence.response = { responseJSON }
        return TokenUse(evidence)
    }

    private var usageJSON: [UInt8]? {
        guard let record = try? JSONObject(document: json.span, options: .trace) else { return nil }
        return record.value("usage", in: json.span)?.bytes(in: json.span)
    }
}

extension TurnChoice {
    fileprivate var tokenCount: Int { max(knownTokens.count, knownTokenIDs.count, perTokenLogprobs.count) }
}
