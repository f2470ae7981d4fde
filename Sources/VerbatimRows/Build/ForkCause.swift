/// Finds out why a prompt leaves an earlier turn, from the messages of both requests.
struct ForkCause {
    private let node: Node
    private let earlier: RecordedTurn
    private let later: RecordedTurn

    init(from node: Node, of earlier: RecordedTurn, to later: RecordedTurn) {
        self.node = node
        self.earlier = earlier
        self.later = later
    }

    private var old: [Conversation.Message] { earlier.conversation.messages }
    private var new: [Conversation.Message] { later.conversation.messages }

    /// - Parameter offset: How many tokens of the completion the prompt repeats.
    func insideCompletion(after offset: Int) -> Fork.Label? {
        guard !old.isEmpty, new.starts(with: old), let said = earlier.conversation.replies[node.choice],
            let echoed = later.conversation.lastSaid, echoed.place == old.count
        else { return nil }
        let echo = echoed.said
        if offset < node.reasoningLength || (said.reasoning != nil && echo.reasoning == nil && offset == 0) {
            if said.reasoning != nil && echo.reasoning == nil { return .reasoningNotEchoed }
            if said.reasoning == echo.reasoning { return .reasoningDropped }
        }
        if said.calls != nil && said.calls == echo.calls && offset >= node.callStart ?? node.reasoningLength {
            return .toolCallRewritten
        }
        if said.text != echo.text { return .textRewritten }
        return earlier.request.hasStopStrings && node.finishReason == "stop" ? .stopString : .retokenized
    }

    var insidePrompt: Fork.Label? {
        guard !old.isEmpty, !new.isEmpty else { return nil }
        if later.conversation.tools != earlier.conversation.tools { return .toolsChanged }
        guard let place = zip(old, new).enumerated().first(where: { $0.element.0 != $0.element.1 })?.offset else {
            if new.count < old.count { return .historyTrimmed }
            // The messages are the same, so that the template changed an earlier one: some drop reasoning as soon as
            // the user speaks again.
            return new.last?.role == .user ? .reasoningDropped : nil
        }
        if old[place].role == .system && new[place].role == .system {
            let isVolatile = earlier.conversation.hasVolatileLine && later.conversation.hasVolatileLine
            return isVolatile ? .volatilePrefix : .systemChanged
        }
        return old[place...].contains(new[place]) ? .historyTrimmed : nil
    }
}
