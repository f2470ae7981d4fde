/// One choice of a turn as tokens: the ids of its prompt, and the sampled ones.
struct Node: Sendable {
    /// The turn's place in ``RowBuilder``'s list.
    let turn: Int
    let choice: Int
    let finishReason: String?
    /// The end of the prompt; nil if its ids are not known.
    let promptEnd: TokenTree.Vertex?
    /// The end of the sampled tokens. Without a prompt they begin at the root of a tree of their own.
    let sequenceEnd: TokenTree.Vertex
    let completionLength: Int
    /// The log-probability of each sampled token; nil where it is not known. Empty if none is.
    let logprobs: [Double?]
    /// How many of the sampled tokens are reasoning, including its end mark; 0 without reasoning.
    let reasoningLength: Int
    /// The position of the first token of a tool call; nil without a tool call.
    let callStart: Int?

    /// The same node, of a turn at another place.
    func moved(toTurn turn: Int) -> Node {
        Node(
            turn: turn, choice: choice, finishReason: finishReason, promptEnd: promptEnd, sequenceEnd: sequenceEnd,
            completionLength: completionLength, logprobs: logprobs, reasoningLength: reasoningLength,
            callStart: callStart)
    }
}
