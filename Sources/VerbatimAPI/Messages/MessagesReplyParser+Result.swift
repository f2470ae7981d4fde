import VerbatimJSON

// What has been captured, put together for the record.

extension MessagesReplyParser {
    func captured() -> Capture {
        var capture = Capture()
        capture.problems = state.problems
        if hasBegun {
            var choice = Capture.Choice(index: 0)
            choice.finishReason = envelope.value("stop_reason")
            capture.choices = [choice]
        }
        capture.usage = usage.isEmpty ? envelope.value("usage") : usage.json()
        capture.model = envelope.value("model")
        capture.responseID = envelope.value("id")
        capture.response = state.wholeReply ?? JSONText(assembled, isNormal: true)
        capture.note(envelope.losses.union(usage.losses))
        for block in blocks { capture.note(block.losses) }
        // The count in `usage` is of no use: there are no tokens to be compared with it.
        capture.judge(state, counts: .unknown, omitsEndToken: false)
        capture.conclude(state)
        return capture
    }

    /// The message of a stream as a whole reply would have it, as far as it has come.
    private var assembled: [UInt8] {
        var replacements: [(name: StaticString, value: [UInt8])] = []
        if !blocks.isEmpty || envelope.value("content") == nil { replacements.append(("content", content.array)) }
        if !usage.isEmpty { replacements.append(("usage", usage.json())) }
        var object = envelope.json(replacing: replacements)
        let members = state.errorMembers
        if members.isEmpty { return object }
        object.removeLast()
        object.append(members: members)
        object.append(UInt8(ascii: "}"))
        return object
    }

    /// In order of their index; of those that share one, in the order they came.
    private var content: JSONList {
        let sorted = blocks.enumerated().sorted { ($0.element.index, $0.offset) < ($1.element.index, $1.offset) }
        var list = JSONList()
        for block in sorted { list.append(block.element.json) }
        return list
    }
}
