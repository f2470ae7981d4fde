/// Which conversations begin with the summary of an earlier one of their session.
struct Compactions {
    /// The turn that wrote the summary, by the place of the node that begins with it.
    private(set) var summaries: [Int: Int] = [:]

    init(of nodes: [Node], turns: [RecordedTurn], lineage: Lineage) {
        var earlier: [String: [Int]] = [:]
        var next = nodes.startIndex
        for (turn, recorded) in turns.enumerated() {
            let session = recorded.key.session
            while next < nodes.endIndex && nodes[next].turn == turn {
                // A conversation that continues an earlier turn has not begun anew.
                if lineage.parents[next] == nil && nodes[next].promptEnd != nil {
                    summaries[next] = earlier[session]?.last { place in
                        turns[place].end <= recorded.start
                            && recorded.conversation.openingLines.contains(turns[place].conversation.replyLines)
                    }
                }
                next += 1
            }
            if recorded.isDelivered { earlier[session, default: []].append(turn) }
        }
    }

    var turns: Set<Int> { Set(summaries.values) }
}
