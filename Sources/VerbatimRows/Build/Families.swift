/// Which sessions belong to one rollout: a root and all its descendants.
struct Families {
    private var parents: [String: String] = [:]
    private var cycles: [String: TurnKey] = [:]

    init(_ turns: [RecordedTurn]) {
        for turn in turns {
            guard let parent = turn.parentSession, parent != turn.key.session else { continue }
            // A session has one parent. If records disagree, the choice must not depend on their order.
            parents[turn.key.session] = min(parents[turn.key.session] ?? parent, parent)
        }
        for turn in turns {
            let session = turn.key.session
            guard let cycle = cycle(from: session), let least = cycle.min() else { continue }
            parents[least] = nil
            cycles[least] = TurnKey(session: least, turn: 1)
        }
    }

    /// The root may have no turns of its own.
    func root(of session: String) -> String {
        var root = session
        while let parent = parents[root] { root = parent }
        return root
    }

    func findings(ofRoot root: String) -> [Finding] {
        guard let key = cycles[root] else { return [] }
        return [
            Finding(.warning, .parentCycle, key, "sessions name each other as parents; \(root) is taken for the root")
        ]
    }

    /// The sessions of a cycle that the parents of `session` lead into.
    private func cycle(from session: String) -> [String]? {
        var path: [String] = []
        var seen: Set<String> = []
        var current: String? = session
        while let name = current {
            if !seen.insert(name).inserted { return Array(path.drop { $0 != name }) }
            path.append(name)
            current = parents[name]
        }
        return nil
    }
}
