import VerbatimRows

/// What `verbatim rows` says on standard error.
struct RowsSummary {
    private(set) var trainableRows = 0
    private var rollouts = 0
    private var rows = 0
    private var turns = 0
    private var trainedTokens = 0
    private var details: [String] = []

    mutating func add(_ rollout: Rollout, rows: [Row]) {
        rollouts += 1
        turns += rollout.turnCount
        self.rows += rows.count
        trainableRows += rows.count(where: \.isTrainable)
        trainedTokens += rows.reduce(0) { $0 + $1.lossMask.count { $0 } }
        for exclusion in rollout.exclusions {
            let choice = exclusion.choice.map { $0 == 0 ? "" : ", choice \($0)" } ?? ""
            details.append(
                "\(exclusion.key.session) turn \(exclusion.key.turn)\(choice): left out, \(exclusion.reason)")
        }
        for finding in rollout.findings {
            details.append(
                "\(finding.key.session) turn \(finding.key.turn): \(finding.level.rawValue), "
                    + "\(finding.code.rawValue): \(finding.detail)")
        }
    }

    var lines: [String] {
        details + [
            "\(counted(rollouts, "rollout")), \(counted(turns, "turn")), \(counted(rows, "row")) "
                + "(\(trainableRows) trainable), \(counted(trainedTokens, "trained token"))"
        ]
    }
}
