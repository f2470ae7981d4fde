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
        let header = ["API", "mode", "ending", "level", "complete", "ids", "logprobs", "prompt ids", "notes"]
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
        var row = [cell.api.rawValue, cell.isStream ? "stream" : "unary", cell.ending.word]
        switch finding.result {
        case .captured(let level, let isComplete, let hasPromptIDs):
            let tokens = finding.tokens
            row += [level.rawValue, isComplete ? "yes" : "no"]
            row += [tokens.withID, tokens.withLogprob].map { Self.share($0, of: tokens.generated) }
            row.append(hasPromptIDs ? "yes" : "no")
            let otherEnding = finding.hasAskedEnding ? [] : ["ended otherwise: \(finding.finishReason ?? "no reason")"]
            let reasons = finding.refusals.map { "\"\(Self.line($0))\"" }
            row.append((otherEnding + finding.problems.map(\.rawValue) + reasons).joined(separator: ", "))
        case .notServed: row += ["-", "-", "-", "-", "-", "not served"]
        case .failed(let status, let message):
            row += ["-", "-", "-", "-", "-", "\(status.map(String.init) ?? "failed"): \(Self.line(message))"]
        }
        return row
    }

    /// `27/45`: of 45 tokens that were generated, 27 are known.
    private static func share(_ known: Int, of generated: Int?) -> String {
        generated.map { "\(known)/\($0)" } ?? (known > 0 ? "\(known)" : "-")
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
            json.member("ending", finding.cell.ending.rawValue)
            json.member("served", finding.isServed)
            json.member("level", finding.level)
            if case .captured(_, let isComplete, let hasPromptIDs) = finding.result {
                json.member("complete", isComplete)
                json.member("prompt_token_ids", hasPromptIDs)
                json.member("finish_reason", finding.finishReason)
                json.member("ended_as_asked", finding.hasAskedEnding)
                json.member("generated_tokens", finding.tokens.generated)
                json.member("known_ids", finding.tokens.withID)
                json.member("known_logprobs", finding.tokens.withLogprob)
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
