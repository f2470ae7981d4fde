import VerbatimAPI
import VerbatimJSON
import Verbatim

/// The findings of a probe, as a table for people and as JSON for scripts.
struct ProbeReport {
    let url: String
    let engine: String
    let model: String
    let mode: LogprobsMode
    let findings: [ProbeFinding]
    let requirement: ProxyConfiguration.Requirement?
    /// The APIs that the requirement is about.
    let requiredAPIs: [API]

    /// The kinds of request of which less is captured than required.
    var shortfalls: [ProbeFinding] {
        guard let requirement else { return [] }
        return findings.filter { requiredAPIs.contains($0.cell.api) && !$0.meets(requirement) }
    }

    // MARK: For people

    var table: String {
        var lines = [
            "engine            \(engine)", "model             \(model)", "log-probabilities \(mode.explanation)", "",
        ]
        let header = ["API", "mode", "tools", "level", "complete", "prompt ids", "notes"]
        let rows = [header] + findings.map(row)
        let widths = header.indices.map { column in rows.map { $0[column].count }.max() ?? 0 }
        for row in rows {
            let cells = zip(row, widths).map { text, width in
                text + String(repeating: " ", count: width - text.count)
            }
            var line = cells.joined(separator: "  ")
            while line.last == " " { line.removeLast() }
            lines.append(line)
        }
        return lines.joined(separator: "\n")
    }

    private func row(_ finding: ProbeFinding) -> [String] {
        let cell = finding.cell
        var row = [cell.api.rawValue, cell.isStream ? "stream" : "unary", cell.hasTools ? "yes" : "no"]
        switch finding.result {
        case .captured(let level, let isComplete, let hasPromptIDs):
            row += [level.rawValue, isComplete ? "yes" : "no", hasPromptIDs ? "yes" : "no"]
            let reasons = finding.refusals.map { "\"\(Self.line($0))\"" }
            row.append((finding.problems.map(\.rawValue) + reasons).joined(separator: ", "))
        case .notServed: row += ["-", "-", "-", "not served"]
        case .failed(let status, let message):
            row += ["-", "-", "-", "\(status.map(String.init) ?? "failed"): \(Self.line(message))"]
        }
        return row
    }

    private static func line(_ words: String) -> Substring {
        words.split(whereSeparator: \.isNewline).joined(separator: " ").prefix(100)
    }

    // MARK: For scripts

    /// `{"upstream_url":…,"engine":…,"model":…,"logprobs_mode":…,"required":…,"met":…,"cells":[…]}`
    var json: String {
        JSONWriter.string { json in
            json.object { json in
                json.member("upstream_url", url)
                json.member("engine", engine)
                json.member("model", model)
                json.member("logprobs_mode", mode.rawValue)
                json.member("required", requirement?.description)
                json.member("met", shortfalls.isEmpty)
                json.array("cells") { json in
                    for finding in findings { Self.write(finding, to: &json) }
                }
            }
        }
    }

    private static func write(_ finding: ProbeFinding, to json: inout JSONWriter) {
        json.object { json in
            json.member("dialect", finding.cell.api.rawValue)
            json.member("stream", finding.cell.isStream)
            json.member("tools", finding.cell.hasTools)
            json.member("served", finding.isServed)
            json.member("level", finding.level)
            if case .captured(_, let isComplete, let hasPromptIDs) = finding.result {
                json.member("complete", isComplete)
                json.member("prompt_token_ids", hasPromptIDs)
            }
            json.member("problems", finding.problems.map(\.rawValue))
            json.member("refusals", finding.refusals)
            if case .failed(let status, let message) = finding.result {
                json.member("status", status)
                json.member("error", message)
            }
        }
    }
}
