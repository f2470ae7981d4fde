import VerbatimPlatform
package import VerbatimTrace

/// Builds training rows from turns: a pure function of the set of turns, whatever their order.
///
///     var builder = RowBuilder()
///     for turn in turns { builder.add(turn) }
///     for rollout in builder.rollouts() { print(rollout.rows.count) }
///
/// Memory grows with the tokens that are new in each turn, not with the prompts, which repeat earlier turns.
package struct RowBuilder {
    private var turns: [RecordedTurn] = []
    private var nodes: [Node] = []
    private var findings: [Finding] = []
    private var tree = TokenTree()
    /// Of turns whose prompts are not known.
    private var detached = TokenTree()
    private var known: [TurnKey: [Int]] = [:]

    package init() {}

    package mutating func add(_ turn: Turn) {
        let recorded = RecordedTurn(turn)
        if let earlier = known[recorded.key] {
            // The same record may come from several files.
            if earlier.contains(where: { turns[$0].start == recorded.start }) { return }
            findings.append(
                Finding(.warning, .duplicateTurn, recorded.key, "two records have this session and turn number"))
        }
        let place = turns.count
        turns.append(recorded)
        known[recorded.key, default: []].append(place)
        for choice in turn.choices { add(choice, of: turn, at: place) }
    }

    private mutating func add(_ choice: TurnChoice, of turn: Turn, at place: Int) {
        let key = turns[place].key
        guard !choice.completionTokenIDs.isEmpty else {
            // What has no tokens is no node. Only tokens without ids are worth a remark.
            if !choice.completionTokens.isEmpty {
                findings.append(Finding(.warning, .noTokenIDs, key, "the engine sent tokens without their ids"))
            }
            return
        }
        let promptIDs = choice.promptTokenIDs ?? turn.promptTokenIDs
        guard let completion = Self.tokens(choice.completionTokenIDs),
            let prompt = promptIDs.map(Self.tokens) ?? .some(nil)
        else {
            findings.append(Finding(.error, .tokenIDOutOfRange, key, "a token id is not in 0..<2^32"))
            return
        }
        let logprobs = choice.perTokenLogprobs
        guard logprobs.isEmpty || logprobs.count == completion.count else {
            findings.append(
                Finding(
                    .error, .misalignedTokens, key,
                    "\(completion.count) token ids and \(logprobs.count) log-probabilities"))
            return
        }
        let promptEnd = prompt.map { tree.insert($0) }
        let sequenceEnd =
            promptEnd.map { tree.insert(completion, from: $0) } ?? detached.insert(completion)
        nodes.append(
            Node(
                turn: place, choice: choice.index, finishReason: choice.finishReason, promptEnd: promptEnd,
                sequenceEnd: sequenceEnd, completionLength: completion.count, logprobs: logprobs,
                reasoningLength: choice.completionTokens.lastIndex { $0.contains(text: "</think>") }.map { $0 + 1 }
                    ?? 0,
                callStart: choice.completionTokens.firstIndex(where: Self.beginsCall)))
    }

    /// The marks by which templates begin tool calls: of Hermes and Qwen, Mistral, Llama, DeepSeek, Kimi.
    private static func beginsCall(_ token: String) -> Bool {
        ["<tool_call>", "[TOOL_CALLS]", "<|python_tag|>", "<|tool_calls_section_begin|>", "<｜tool▁calls▁begin｜>"]
            .contains { token.contains(text: $0) }
    }

    /// Nil if an id does not fit.
    private static func tokens(_ ids: [Int]) -> [UInt32]? {
        var tokens: [UInt32] = []
        tokens.reserveCapacity(ids.count)
        for id in ids {
            guard let token = UInt32(exactly: id) else { return nil }
            tokens.append(token)
        }
        return tokens
    }

    /// The rollouts, in the order of their first turns.
    package func rollouts() -> [Rollout] {
        let families = Families(turns)
        var members: [String: [Int]] = [:]
        for turn in turns.indices { members[families.root(of: turns[turn].key.session), default: []].append(turn) }
        var nodesOfTurn = [[Int]](repeating: [], count: turns.count)
        for node in nodes.indices { nodesOfTurn[nodes[node].turn].append(node) }
        var remarks: [String: [Finding]] = [:]
        for finding in findings { remarks[families.root(of: finding.key.session), default: []].append(finding) }
        return members.map { root, turns in
            let ordered = turns.sorted {
                (self.turns[$0].start, self.turns[$0].key) < (self.turns[$1].start, self.turns[$1].key)
            }
            var rollout = RolloutAssembly(
                id: root, turns: ordered.map { self.turns[$0] },
                nodes: ordered.enumerated().flatMap { position, turn in
                    nodesOfTurn[turn].map { nodes[$0].moved(toTurn: position) }.sorted { $0.choice < $1.choice }
                },
                tree: tree, detached: detached)
            return rollout.rollout(remarks: (remarks[root] ?? []) + families.findings(ofRoot: root))
        }.sorted { ($0.start, $0.id) < ($1.start, $1.id) }
    }
}
