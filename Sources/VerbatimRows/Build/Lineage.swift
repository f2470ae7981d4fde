/// Which node continues which: the parent of a node is the one whose prompt and completion are the longest exact prefix
/// of its prompt.
struct Lineage {
    private(set) var parents: [Int?]
    private(set) var children: [[Int]]
    private(set) var findings: [Finding] = []

    /// - Parameter nodes: In the order of their turns.
    init(of nodes: [Node], turns: [RecordedTurn], tree: TokenTree) {
        parents = Array(repeating: nil, count: nodes.count)
        children = Array(repeating: [], count: nodes.count)
        var ends: [TokenTree.Vertex: [Int]] = [:]
        for (place, node) in nodes.enumerated() where node.promptEnd != nil {
            ends[node.sequenceEnd, default: []].append(place)
        }
        for (place, node) in nodes.enumerated() {
            guard let promptEnd = node.promptEnd else { continue }
            let start = turns[node.turn].start
            // An agent may continue a reply before the engine has closed it, but never one that began later.
            let found =
                candidates(at: promptEnd, in: tree, ends) { turns[nodes[$0].turn].end <= start }
                ?? candidates(at: promptEnd, in: tree, ends) { turns[nodes[$0].turn].start < start }
            guard let found else { continue }
            let parent = Self.best(of: found, nodes, turns, before: start)
            parents[place] = parent.node
            children[parent.node].append(place)
            if parent.isAmbiguous {
                findings.append(
                    Finding(
                        .warning, .ambiguousParent, turns[node.turn].key,
                        "\(found.count) turns with the same tokens could be the one before"))
            }
        }
    }

    /// The nodes that end nearest to the end of a prompt on its way to the root, of those that fit.
    private func candidates(
        at promptEnd: TokenTree.Vertex, in tree: TokenTree, _ ends: [TokenTree.Vertex: [Int]], where fits: (Int) -> Bool
    ) -> [Int]? {
        var vertex: TokenTree.Vertex? = promptEnd
        while let current = vertex {
            if let fitting = ends[current]?.filter(fits), !fitting.isEmpty { return fitting }
            vertex = tree.parent(of: current)
        }
        return nil
    }

    /// The candidate that was delivered whole, and of several the latest that ended before the child began.
    private static func best(
        of candidates: [Int], _ nodes: [Node], _ turns: [RecordedTurn], before start: Double
    ) -> (node: Int, isAmbiguous: Bool) {
        func turn(_ node: Int) -> RecordedTurn { turns[nodes[node].turn] }
        let delivered = candidates.filter { turn($0).isDelivered }
        let pool = delivered.isEmpty ? candidates : delivered
        let earlier = pool.filter { turn($0).end <= start }
        if let latest = earlier.max(by: { turn($0).end < turn($1).end }) {
            let ties = earlier.filter { turn($0).end == turn(latest).end }
            return (ties[0], ties.count > 1 && Set(ties.map { nodes[$0].turn }).count > 1)
        }
        return (pool[0], pool.count > 1)
    }
}
