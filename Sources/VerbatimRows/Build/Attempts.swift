/// Which of several samples of the same prompt the agent used.
struct Attempts {
    /// Why a node is not used, by its place.
    private(set) var unused: [Int: (role: Role, reason: RoleReason)] = [:]
    private(set) var findings: [Finding] = []

    private let nodes: [Node]
    private let turns: [RecordedTurn]
    private let lineage: Lineage

    init(of nodes: [Node], turns: [RecordedTurn], lineage: Lineage) {
        self.nodes = nodes
        self.turns = turns
        self.lineage = lineage
        var groups: [Group: [Int]] = [:]
        for (place, node) in nodes.enumerated() {
            let turn = turns[node.turn]
            let request: Group.Request =
                node.promptEnd.map { .prompt($0) } ?? .firstAttempt(turn: turn.retryOf ?? turn.key.turn)
            groups[Group(session: turn.key.session, request: request), default: []].append(place)
        }
        for group in groups.values.sorted(by: { $0[0] < $1[0] }) { resolve(group) }
        for place in nodes.indices where unused[place] == nil && !turn(place).isDelivered && !isContinued(place) {
            unused[place] = (.discarded, .notDelivered)
        }
    }

    private struct Group: Hashable {
        enum Request: Hashable {
            case prompt(TokenTree.Vertex)
            /// Without the ids of the prompt, only what a repetition says of itself is known.
            case firstAttempt(turn: Int)
        }

        let session: String
        let request: Request
    }

    private func turn(_ place: Int) -> RecordedTurn { turns[nodes[place].turn] }
    private func isContinued(_ place: Int) -> Bool { !lineage.children[place].isEmpty }

    private mutating func resolve(_ group: [Int]) {
        var samples: [[Int]] = []
        for attempts in requests(in: group) {
            let used = usedTurn(of: attempts)
            for place in attempts where nodes[place].turn != used { unused[place] = (.retry, .otherAttempt) }
            samples.append(attempts.filter { nodes[$0].turn == used })
        }
        for choices in samples where choices.contains(where: isContinued) {
            for place in choices where !isContinued(place) { unused[place] = (.discarded, .otherChoiceContinued) }
        }
        let delivered = samples.filter { choices in choices.contains { turn($0).isDelivered || isContinued($0) } }
        guard delivered.count > 1 else { return }
        if delivered.contains(where: { $0.contains(where: isContinued) }) {
            for place in delivered.joined() where !isContinued(place) && unused[place] == nil {
                unused[place] = (.discarded, .otherSampleContinued)
            }
            return
        }
        for place in delivered.dropLast().joined() where unused[place] == nil {
            unused[place] = (.discarded, .laterSample)
        }
        if let last = delivered.last?.first {
            findings.append(
                Finding(
                    .info, .resampled, turn(last).key,
                    "the prompt was sampled \(delivered.count) times and no sample was continued; the last one is kept")
            )
        }
    }

    /// The nodes of each request: an attempt that failed belongs to the same request as the one after it, and so does
    /// one that an SDK marked as a repetition.
    private func requests(in group: [Int]) -> [[Int]] {
        var requests: [[Int]] = []
        for place in group {
            if let last = requests.last?.last,
                nodes[last].turn == nodes[place].turn
                    || turn(place).retryOf.map({ first in
                        requests.last?.contains { turn($0).key.turn >= first } ?? false
                    }) ?? false
                    || (!turn(last).isDelivered && !isContinued(last))
            {
                requests[requests.count - 1].append(place)
            } else {
                requests.append([place])
            }
        }
        return requests
    }

    /// The attempt that was continued, else the last one that was delivered whole, else the last one.
    private func usedTurn(of attempts: [Int]) -> Int? {
        (attempts.last(where: isContinued) ?? attempts.last { turn($0).isDelivered } ?? attempts.last).map {
            nodes[$0].turn
        }
    }
}
