/// What each turn of a rollout was made for.
struct Roles {
    private let roles: [(role: Role, reason: RoleReason)]

    /// - Parameter summaries: The turns whose replies begin a later conversation.
    init(of turns: [RecordedTurn], summaries: Set<Int>) {
        var sessions: [String: [Int]] = [:]
        for (place, turn) in turns.enumerated() { sessions[turn.key.session, default: []].append(place) }
        var roles = turns.map { turn -> (role: Role, reason: RoleReason) in
            turn.parentSession == nil ? (.agent, .byDefault) : (.subagent, .parentSession)
        }
        for members in sessions.values {
            let model = Self.commonModel(of: members.map { turns[$0] })
            let withoutTools = members.filter { !turns[$0].request.hasTools }
            for place in members {
                let request = turns[place].request
                if request.tokenLimit.map({ $0 <= 1 }) ?? false {
                    roles[place] = (.auxiliary, .oneToken)
                } else if withoutTools == [place] && members.count > 1 {
                    roles[place] = (.auxiliary, .noTools)
                } else if let model, let own = request.model, own != model {
                    roles[place] = (.auxiliary, .otherModel)
                }
            }
        }
        for place in summaries { roles[place] = (.compaction, .openingOfLater) }
        self.roles = roles
    }

    subscript(turn: Int) -> (role: Role, reason: RoleReason) { roles[turn] }

    /// The model that more than half of the turns ask for.
    private static func commonModel(of turns: [RecordedTurn]) -> String? {
        var counts: [String: Int] = [:]
        for turn in turns { if let model = turn.request.model { counts[model, default: 0] += 1 } }
        return counts.first { $0.value * 2 > turns.count }?.key
    }
}
