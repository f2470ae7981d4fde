import VerbatimJSON
import VerbatimSchema

/// Makes the capture from what has arrived of a message.
struct MessagesCapture {
    private let reply: MessagesReply
    private let state: ReplyState

    init(_ reply: MessagesReply, state: ReplyState) {
        self.reply = reply
        self.state = state
    }

    var capture: Capture {
        var capture = Capture()
        capture.problems = state.problems
        if reply.hasBegun {
            var choice = Capture.Choice(index: 0)
            choice.finishReason = reply.envelope.value("stop_reason")
            capture.choices = [choice]
        }
        capture.usage = reply.usage.isEmpty ? reply.envelope.value("usage") : reply.usage.json()
        capture.model = reply.envelope.value("model")
        capture.responseID = reply.envelope.value("id")
        capture.response = state.wholeReply ?? JSONText(assembled, isNormal: true)
        capture.note(reply.envelope.losses.union(reply.usage.losses))
        for block in reply.blocks { capture.note(block.losses) }
        // There are no tokens that could be compared with the count in `usage`.
        capture.checkTokens(state, counts: .unknown, hasOutput: true, omitsEndToken: false)
        check(&capture)
        capture.checkEnd(state)
        return capture
    }

    /// Notes what makes a message incomplete that seems to be whole.
    private func check(_ capture: inout Capture) {
        if state.replyError != nil { return }
        // `[DONE]` does not end a message.
        if !state.isWhole && !reply.hasEnded { return capture.note([ProblemCode.streamNotTerminated]) }
        // A message without a reason or content needs no further explanation if something was lost.
        if !capture.problems.isEmpty { return }
        let reason = capture.choices.first?.finishReason ?? Array(#""""#.utf8)
        if reply.hasBegun && reason == Array(#""""#.utf8) { capture.note([ProblemCode.finishReasonMissing]) }
        let count = capture.usage.flatMap { $0.integer("output_tokens") }
        let isEmpty = reply.hasBegun ? !reply.hasContent : !state.isWhole
        if isEmpty && count != 0 { capture.note([ProblemCode.choicesMissing]) }
    }

    /// The message of a stream so far, as a reply that is not streamed has it.
    private var assembled: [UInt8] {
        var replacements: [(name: StaticString, value: [UInt8])] = []
        if !reply.blocks.isEmpty || reply.envelope.value("content") == nil {
            replacements.append(("content", content.array))
        }
        if !reply.usage.isEmpty { replacements.append(("usage", reply.usage.json())) }
        var object = reply.envelope.json(replacing: replacements)
        let members = state.errorMembers
        if members.isEmpty { return object }
        object.removeLast()
        object.append(members: members)
        object.append(UInt8(ascii: "}"))
        return object
    }

    /// The blocks sorted by index. Blocks with the same index keep their order.
    private var content: JSONList {
        let sorted = reply.blocks.enumerated().sorted { ($0.element.index, $0.offset) < ($1.element.index, $1.offset) }
        var list = JSONList()
        for block in sorted { list.append(block.element.json) }
        return list
    }
}
