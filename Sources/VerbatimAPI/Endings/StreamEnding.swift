/// How a stream ends for the agent that is stopped before its engine ends it: as if its token limit had been reached.
package enum StreamEnding: Equatable, Sendable {
    /// No event of the reply has come, so that any reply can still be given.
    case notBegun
    /// These events end the stream. Each includes the blank line that ends it.
    case events([[UInt8]])
    /// Nothing is missing, or nothing can be added that makes a reply of it.
    case none
}

/// How many tokens a turn used, as the end of its stream says.
package struct EndingUsage: Equatable, Sendable {
    package var promptTokens: Int
    package var completionTokens: Int

    package init(promptTokens: Int = 0, completionTokens: Int = 0) {
        self.promptTokens = promptTokens
        self.completionTokens = completionTokens
    }

    var totalTokens: Int { promptTokens.addingReportingOverflow(completionTokens).partialValue }
}
