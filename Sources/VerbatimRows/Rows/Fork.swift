/// The place where a prompt leaves an earlier turn of its session instead of continuing it.
package struct Fork: Hashable, Sendable {
    package enum Kind: String, Sendable {
        case insidePrompt = "inside_prompt"
        case insideCompletion = "inside_completion"
    }

    /// The earlier turn.
    package let key: TurnKey
    /// The first position, counted from the start of the prompt, at which the tokens differ.
    package let position: Int
    package let kind: Kind
    /// The number of sampled tokens of the earlier turn that the prompt does not contain.
    package let lostTokens: Int
}
