import VerbatimAPI

/// Why a turn is ended that is still running, in terms of what its agent gets.
struct TurnStop: Sendable {
    /// What the agent expects.
    let expected: ExpectedReply
    /// For an agent that has received nothing of the reply.
    let message: FinalMessage

    /// - Parameters: See ``FinalMessage``.
    init(_ request: any APIRequest, text: String = FinalMessage.defaultText, id: String, time: Int) {
        expected = request.expectation
        message = FinalMessage(for: expected, text: text, id: id, time: time)
    }
}
