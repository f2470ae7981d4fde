/// Makes the rows of one rollout.
struct RolloutAssembly {
    let id: String
    /// In the order in which they began.
    let turns: [RecordedTurn]
    /// In the order of their turns.
    let nodes: [Node]
    let tree: TokenTree
    let detached: TokenTree

    private let lineage: Lineage
    private let attempts: Attempts
    private let roles: Roles
    private let forks: Forks
    private let compactions: Compactions
    /// The row that trains each completion.
    private var trainer: [Int: Int] = [:]

    init(id: String, turns: [RecordedTurn], nodes: [Node], tree: TokenTree, detached: TokenTree) {
        self.id = id
        self.turns = turns
        self.nodes = nodes
        self.tree = tree
        self.detached = detached
        lineage = Lineage(of: nodes, turns: turns, tree: tree)
        attempts = Attempts(of: nodes, turns: turns, lineage: lineage)
        compactions = Compactions(of: nodes, turns: turns, lineage: lineage)
        roles = Roles(of: turns, summaries: compactions.turns)
        forks = Forks(of: nodes, turns: turns, lineage: lineage, tree: tree)
    }

    mutating func rollout(remarks: [Finding]) -> Rollout {
        let leaves = leaves
        for (row, leaf) in leaves.enumerated() {
            for node in path(to: leaf) where trainer[node] == nil { trainer[node] = row }
        }
        let rows = leaves.enumerated().map { row(at: $0, endingWith: $1) }
        return Rollout(
            id: id, start: turns.first?.start ?? 0, turnCount: turns.count, rows: rows, exclusions: exclusions,
            findings: findings(remarks))
    }

    // MARK: Leaves

    /// The used nodes that no used node continues, chain by chain.
    private var leaves: [Int] {
        let isUsed = nodes.indices.map { attempts.unused[$0] == nil }
        var hasUsedDescendant = Array(repeating: false, count: nodes.count)
        var leaves: [Int] = []
        var stack: [(node: Int, isSeen: Bool)] = nodes.indices.reversed().filter { lineage.parents[$0] == nil }
            .map { ($0, false) }
        while let (node, isSeen) = stack.popLast() {
            guard isSeen else {
                stack.append((node, true))
                for child in lineage.children[node].reversed() { stack.append((child, false)) }
                continue
            }
            if isUsed[node] && !hasUsedDescendant[node] { leaves.append(node) }
            if let parent = lineage.parents[node], isUsed[node] || hasUsedDescendant[node] {
                hasUsedDescendant[parent] = true
            }
        }
        return leaves
    }

    private func path(to leaf: Int) -> [Int] {
        var path = [leaf]
        while let last = path.last, let parent = lineage.parents[last] { path.append(parent) }
        return path.reversed()
    }

    // MARK: A row

    private func row(at index: Int, endingWith leaf: Int) -> Row {
        let path = path(to: leaf)
        let tokens = nodes[leaf].promptEnd == nil ? detached : tree
        let inputIDs = tokens.sequence(to: nodes[leaf].sequenceEnd)
        var mask = Array(repeating: false, count: inputIDs.count)
        var logprobs = Array(repeating: 0.0, count: inputIDs.count)
        var spans: [Row.Span] = []
        var end = 0
        for place in path {
            let node = nodes[place]
            let turn = turns[node.turn]
            let completionEnd = tokens.depth(of: node.sequenceEnd)
            let completion = completionEnd - node.completionLength..<completionEnd
            var isTrained = false
            if trainer[place] == index && mayTrain(place) {
                for (position, logprob) in zip(completion, node.logprobs) {
                    guard let logprob, Self.isPlausible(logprob) else { continue }
                    isTrained = true
                    mask[position] = true
                    logprobs[position] = logprob
                }
            }
            spans.append(
                Row.Span(
                    key: turn.key, choice: node.choice, context: end..<completion.lowerBound, completion: completion,
                    isTrained: isTrained, role: attempts.unused[place]?.role ?? roles[node.turn].role,
                    finishReason: node.finishReason, outcome: turn.outcome))
            end = completionEnd
        }
        let last = turns[nodes[leaf].turn]
        let named = roles[nodes[path.first { trainer[$0] == index } ?? leaf].turn]
        let keys = Set(spans.map(\.key))
        return Row(
            rolloutID: id, sessionID: last.key.session, index: index, role: named.role,
            roleReason: named.reason, spans: spans, inputIDs: inputIDs,
            promptLength: spans.first?.completion.lowerBound ?? 0, lossMask: mask, logprobs: logprobs,
            model: last.model, engine: last.engine, sampling: last.request.sampling, status: status(of: leaf),
            isTerminal: isTerminal(leaf),
            parent: parent(of: path), fork: path.lazy.filter { trainer[$0] == index }.compactMap { forks[$0] }.first,
            findings: tokenFindings.filter { keys.contains($0.key) })
    }

    private func parent(of path: [Int]) -> Row.Parent? {
        guard let root = path.first else { return nil }
        let turn = turns[nodes[root].turn]
        if let summary = compactions.summaries[root] {
            return Row.Parent(key: turns[summary].key, relation: .compaction)
        }
        guard let session = turn.parentSession else { return nil }
        // The agent started the sub-agent with what it said last.
        let starter = turns.last { $0.key.session == session && $0.isDelivered && $0.end <= turn.start }
        return Row.Parent(session: session, turn: starter?.key.turn, relation: .subagent)
    }

    /// Whether the role and the content of a turn allow training its tokens.
    private func mayTrain(_ place: Int) -> Bool {
        attempts.unused[place] == nil && roles[nodes[place].turn].role.isTrained
            && !turns[nodes[place].turn].request.isMultimodal && !turns[nodes[place].turn].isContradicted
    }

    /// Some engines send -9999 for a token that they do not score.
    private static func isPlausible(_ logprob: Double) -> Bool { logprob <= 0 && logprob > -9999 }

    private func status(of leaf: Int) -> Row.Status {
        if !turns[nodes[leaf].turn].isDelivered || ["error", "abort"].contains(nodes[leaf].finishReason) {
            return .aborted
        }
        return ["length", "max_tokens", "max_output_tokens", "incomplete"].contains(nodes[leaf].finishReason)
            ? .truncated : .completed
    }

    private func isTerminal(_ leaf: Int) -> Bool {
        let session = turns[nodes[leaf].turn].key.session
        return nodes.indices.last { turns[nodes[$0].turn].key.session == session && attempts.unused[$0] == nil } == leaf
    }

    // MARK: What is left out, and why

    private var exclusions: [Rollout.Exclusion] {
        var exclusions: [Rollout.Exclusion] = []
        let withNodes = Set(nodes.map(\.turn))
        for (place, turn) in turns.enumerated() where !withNodes.contains(place) {
            exclusions.append(Rollout.Exclusion(key: turn.key, choice: nil, role: nil, reason: "no_tokens"))
        }
        for (place, reason) in attempts.unused.sorted(by: { $0.key < $1.key }) {
            let node = nodes[place]
            exclusions.append(
                Rollout.Exclusion(
                    key: turns[node.turn].key, choice: node.choice, role: reason.role, reason: reason.reason.rawValue))
        }
        return exclusions
    }

    private func findings(_ remarks: [Finding]) -> [Finding] {
        var findings = remarks + lineage.findings + attempts.findings + tokenFindings
        for place in forks.places {
            guard let fork = forks[place] else { continue }
            let isLoss = fork.kind == .insideCompletion
            findings.append(
                Finding(
                    isLoss ? .warning : .info, .fork, turns[nodes[place].turn].key,
                    "the prompt leaves turn \(fork.key.turn) at token \(fork.position), \(fork.kind.rawValue); "
                        + "\(fork.lostTokens) sampled tokens are not continued"
                        + (fork.label.map { ": \($0.rawValue)" } ?? "")))
        }
        return findings.sorted { ($0.key, $0.code.rawValue, $0.detail) < ($1.key, $1.code.rawValue, $1.detail) }
    }

    /// Remarks about single turns.
    private var tokenFindings: [Finding] {
        var findings: [Finding] = []
        for (place, node) in nodes.enumerated() where attempts.unused[place] == nil {
            let turn = turns[node.turn]
            if node.promptEnd == nil {
                findings.append(
                    Finding(.warning, .noPromptIDs, turn.key, "the engine sent no ids of the prompt: the row has none"))
            }
            let missing = node.completionLength - node.logprobs.count { $0.map(Self.isPlausible) ?? false }
            if missing > 0 {
                findings.append(
                    Finding(
                        .warning, .logprobMissing, turn.key,
                        "\(missing) of \(node.completionLength) tokens are not trained"))
            }
            if turn.isContradicted {
                findings.append(
                    Finding(
                        .warning, .contradictedCapture, turn.key,
                        "the record's tokens contradict what else it says of the reply: not trained"))
            } else if !turn.isComplete {
                findings.append(
                    Finding(
                        .warning, .incompleteCapture, turn.key, "the record says that its token data are not complete"))
            }
            if turn.request.isConstrained {
                findings.append(
                    Finding(.info, .constrainedDecoding, turn.key, "a grammar or a forced tool decided some tokens"))
            }
            if turn.request.isMultimodal {
                findings.append(
                    Finding(.error, .multimodalNotCaptured, turn.key, "token ids do not show the images or the sound"))
            }
        }
        return findings
    }
}
