/// The place where a prompt leaves an earlier turn of its session instead of continuing it.
package struct Fork: Hashable, Sendable {
    package enum Kind: String, Sendable {
        case insidePrompt = "inside_prompt"
        case insideCompletion = "inside_completion"
    }

    /// The likely cause. It changes no token.
    package enum Label: String, CaseIterable, Sendable {
        /// The agent sent the reasoning back, and the template left it out.
        case reasoningDropped = "reasoning_dropped"
        /// The agent did not send the reasoning back.
        case reasoningNotEchoed = "reasoning_not_echoed"
        /// The same tool call is written in another way than the model wrote it.
        case toolCallRewritten = "tool_call_rewritten"
        /// The model sampled more than the agent received, since a stop string cut the text.
        case stopString = "stop_string"
        /// The agent changed the text of the reply.
        case textRewritten = "text_rewritten"
        /// The same text has other tokens.
        case retokenized
        /// The agent left out messages.
        case historyTrimmed = "history_trimmed"
        /// The agent changed its system prompt.
        case systemChanged = "system_changed"
        /// The system prompt has a line that differs from call to call.
        case volatilePrefix = "volatile_prefix"
        /// The agent offers other tools.
        case toolsChanged = "tools_changed"
    }

    /// The earlier turn.
    package let key: TurnKey
    /// The first position, counted from the start of the prompt, at which the tokens differ.
    package let position: Int
    package let kind: Kind
    /// The number of sampled tokens of the earlier turn that the prompt does not contain.
    package let lostTokens: Int
    /// Nil if the requests do not show the cause.
    package let label: Label?
}
