/// Where prompts leave what an earlier turn of their session had.
struct Forks {
    private var forks: [Int: Fork] = [:]

    /// A prompt is compared with this many turns before it: agents continue recent ones.
    private static let comparedTurns = 16

    init(of nodes: [Node], turns: [RecordedTurn], lineage: Lineage, tree: TokenTree) {
        var recent: [String: [Int]] = [:]
        for (place, node) in nodes.enumerated() {
            guard let promptEnd = node.promptEnd else { continue }
            let session = turns[node.turn].key.session
            let inherited = lineage.parents[place].map { tree.depth(of: nodes[$0].sequenceEnd) } ?? 0
            var best: (node: Int, shared: Int)?
            for earlier in recent[session] ?? [] where nodes[earlier].turn != node.turn {
                let shared = tree.sharedDepth(nodes[earlier].sequenceEnd, promptEnd)
                if shared > max(inherited, best?.shared ?? 0) { best = (earlier, shared) }
            }
            // A prompt that is shared as a whole was sampled again.
            if let best, best.shared < tree.depth(of: promptEnd) {
                let other = nodes[best.node]
                let end = tree.depth(of: other.sequenceEnd)
                let offset = best.shared - (end - other.completionLength)
                let cause = ForkCause(from: other, of: turns[other.turn], to: turns[node.turn])
                forks[place] = Fork(
                    key: turns[other.turn].key, position: best.shared,
                    kind: offset < 0 ? .insidePrompt : .insideCompletion,
                    lostTokens: min(other.completionLength, other.completionLength - offset),
                    label: offset < 0 ? cause.insidePrompt : cause.insideCompletion(after: offset))
            }
            recent[session, default: []].append(place)
            if recent[session, default: []].count > Self.comparedTurns { recent[session]?.removeFirst() }
        }
    }

    subscript(node: Int) -> Fork? { forks[node] }

    var places: [Int] { forks.keys.sorted() }
}
