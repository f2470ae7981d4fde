import Verbatim

/// Counts and quantiles over the turns of a trace.
struct TraceSummary {
    /// Further sessions or models are counted together.
    private static let maximumNames = 20

    private var turns = 0
    private var complete = 0
    private var promptTokens = 0
    private var completionTokens = 0
    private var outcomes: [String: Int] = [:]
    private var levels: [String: Int] = [:]
    private var models: [String: Int] = [:]
    private var sessions: [String: Int] = [:]
    private var problems: [String: Int] = [:]
    private var latencies: [Double] = []
    private var firstTokens: [Double] = []
    private var rates: [Double] = []

    mutating func add(_ turn: Turn) {
        turns += 1
        if turn.isCaptureComplete { complete += 1 }
        let tokens = turn.completionTokenCount ?? turn.choices.reduce(0) { $0 + $1.completionTokens.count }
        promptTokens += turn.promptTokenCount ?? turn.promptTokenIDs?.count ?? 0
        completionTokens += tokens
        outcomes[turn.outcome.rawValue, default: 0] += 1
        levels[turn.captureLevel.rawValue, default: 0] += 1
        models[turn.model ?? "(none)", default: 0] += 1
        sessions[turn.sessionID, default: 0] += 1
        for problem in Set(turn.captureProblems) { problems[problem.rawValue, default: 0] += 1 }
        latencies.append(turn.latency)
        if let first = turn.timeToFirstToken { firstTokens.append(first) }
        if tokens > 0, turn.latency > 0 { rates.append(Double(tokens) / turn.latency) }
    }

    /// The summary as text.
    var table: String {
        var lines = [
            row("turns", "\(turns)"),
            row("sessions", "\(sessions.count)"),
            row(
                "complete captures",
                turns == 0 ? "-" : "\(complete) (\((Double(complete) / Double(turns) * 100).fixed(1))%)"
            ),
            row("prompt tokens", "\(promptTokens)"),
            row("completion tokens", "\(completionTokens)"),
        ]
        lines += counts("outcome", outcomes) + counts("capture level", levels) + counts("problem", problems)
        lines += counts("model", models) + counts("session", sessions)
        lines.append("")
        lines.append(row("", ["min", "median", "p95", "max"].map { $0.leftPadded(to: 10) }.joined()))
        lines.append(row("latency, s", quantiles(latencies, decimals: 3)))
        lines.append(row("first token, s", quantiles(firstTokens, decimals: 3)))
        lines.append(row("tokens per second", quantiles(rates, decimals: 1)))
        return lines.joined(separator: "\n")
    }

    private func row(_ name: String, _ value: String) -> String {
        name.rightPadded(to: 20) + value
    }

    /// Lines with the names and their counts, the most frequent first.
    private func counts(_ title: String, _ counts: [String: Int]) -> [String] {
        if counts.isEmpty { return [] }
        let sorted = counts.sorted { ($1.value, $0.key) < ($0.value, $1.key) }
        var lines = ["", "by \(title)"]
        lines += sorted.prefix(Self.maximumNames).map {
            row("", "\($0.value)".leftPadded(to: 10) + "  \($0.key.printable)")
        }
        let rest = sorted.dropFirst(Self.maximumNames)
        if !rest.isEmpty {
            lines.append(row("", "\(rest.reduce(0) { $0 + $1.value })".leftPadded(to: 10) + "  (\(rest.count) others)"))
        }
        return lines
    }

    private func quantiles(_ values: [Double], decimals: Int) -> String {
        if values.isEmpty { return "-".leftPadded(to: 10) }
        let sorted = values.sorted()
        return [0, 0.5, 0.95, 1].map { share in
            // Nearest rank, so that every figure is a measured value.
            let rank = max(Int((share * Double(sorted.count)).rounded(.up)), 1)
            return sorted[rank - 1].fixed(decimals).leftPadded(to: 10)
        }.joined()
    }
}
