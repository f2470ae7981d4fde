package import VerbatimJSON
package import VerbatimSchema

/// Everything a reply gave, in JSON texts that stand for themselves.
package struct Capture: Sendable {
    /// One choice's tokens. The three lists have the same length or are empty.
    package struct Choice: Sendable {
        package var index: Int
        /// Elements of `logprobs.content` as sent; `nil` if there were none.
        package var logprobs: JSONList?
        package var tokens = JSONList()
        package var tokenIDs = JSONList()
        package var logprobValues = JSONList()
        package var finishReason: [UInt8]?
        /// The prompt's ids, from engines that send them with each choice.
        package var promptTokenIDs: [UInt8]?

        /// Whether the engine says that nothing was generated.
        var isEmpty = false
        /// Whether ids and log-probabilities came, but not for the same tokens.
        var isUnpaired = false
        /// How many tokens came in instalments that repeated the one before.
        var repeatedTokens = 0
        /// Whether more was generated than the tokens show.
        var hidesTokens = false

        package init(index: Int) { self.index = index }
    }

    /// Whether what was captured is of any use: lists of nothing but unknown values are not.
    package var hasKnownValues: Bool {
        let filled = choices.filter { !$0.logprobValues.isEmpty }
        return filled.isEmpty || filled.contains { $0.logprobValues.hasNumber }
    }

    /// How many tokens the engine says it generated.
    enum Counts {
        case unknown
        /// Over all choices.
        case total(Int)
        /// Of each choice.
        case each([Int])
        /// It counts one of several choices, and does not say which.
        case ofOneChoice
    }

    /// The engine that the reply's fingerprint names.
    package var engine: EngineProfile?
    /// The engine's version as the reply names it, from engines that do.
    package var engineVersion: [UInt8]?

    package var response = JSONText()
    /// In order of their index.
    package var choices: [Choice] = []
    package var promptTokenIDs: [UInt8]?
    package var usage: [UInt8]?
    package var model: [UInt8]?
    package var responseID: [UInt8]?
    package var level: CaptureLevel = .none
    package var problems: [ProblemCode] = []
    /// Whether every check that could be made held.
    package var isComplete = false

    package init() {}
}
