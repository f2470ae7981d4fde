package import VerbatimJSON
package import VerbatimSchema

/// Everything captured from a reply. Values of the reply are kept as JSON text.
package struct Capture: Sendable {
    /// The tokens of one choice. The three lists have the same length or are empty.
    package struct Choice: Sendable {
        package var index: Int
        /// Elements of `logprobs.content` as sent; nil if there were none.
        package var logprobs: JSONList?
        package var tokens = JSONList()
        package var tokenIDs = JSONList()
        package var logprobValues = JSONList()
        package var finishReason: [UInt8]?
        /// The prompt's ids, from engines that send them with each choice.
        package var promptTokenIDs: [UInt8]?

        /// Whether the engine says that nothing was generated.
        var isEmpty = false
        /// Whether ids and log-probabilities arrived but cannot be matched.
        var isUnpaired = false
        /// How many tokens arrived in chunks identical to the preceding chunk.
        var repeatedTokens = 0
        /// Whether output was generated whose tokens the engine did not send (tool calls, reasoning).
        var hidesTokens = false

        var isFinished: Bool { !(finishReason ?? []).isEmpty && finishReason != Array(#""""#.utf8) }

        package init(index: Int) { self.index = index }
    }

    /// False if log-probabilities arrived and all of them are null.
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
        /// Of one of several choices; which one is not known.
        case ofOneChoice
    }

    /// The engine that the reply's fingerprint names.
    package var engine: EngineProfile?
    /// The engine's version, from engines that name it in their replies.
    package var engineVersion: [UInt8]?

    package var response = JSONText()
    /// Sorted by index.
    package var choices: [Choice] = []
    package var promptTokenIDs: [UInt8]?
    package var usage: [UInt8]?
    package var model: [UInt8]?
    package var responseID: [UInt8]?
    package var level: CaptureLevel = .none
    package var problems: [ProblemCode] = []
    /// Whether every check that could be made was passed.
    package var isComplete = false

    package init() {}
}
