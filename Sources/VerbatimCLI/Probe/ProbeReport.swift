import VerbatimJSON
import Verbatim

/// What a probe found out, for people and for scripts.
struct ProbeReport {
    let url: String
    let engine: String
    let model: String
    let mode: LogprobsMode
    let findings: [ProbeFinding]
    let requirement: ProxyConfiguration.Requirement?
    /// The APIs that the requirement is about.
    let requiredAPIs: [ProbeCell.API]

    /// The kinds of request that give less than is required.
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
            row += [level.name, isComplete ? "yes" : "no", hasPromptIDs ? "yes" : "no"]
            let reasons = finding.refusals.map { "\"\(Self.line($0))\"" }
            row.append((finding.problems + reasons).joined(separator: ", "))
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
        var object = Array("{".utf8)
        Self.append("upstream_url", url, to: &object)
        Self.append("engine", engine, to: &object)
        Self.append("model", model, to: &object)
        Self.append("logprobs_mode", mode.rawValue, to: &object)
        Self.append("required", requirement?.rawValue, to: &object)
        Self.append("met", shortfalls.isEmpty, to: &object)
        object.appendJSONKey("cells")
        var cells = JSONList()
        for finding in findings { cells.append(Self.json(finding)) }
        object.append(contentsOf: cells.array)
        object.append(UInt8(ascii: "}"))
        return String(decoding: object, as: UTF8.self)
    }

    private static func json(_ finding: ProbeFinding) -> [UInt8] {
        var object = Array("{".utf8)
        append("dialect", finding.cell.api.rawValue, to: &object)
        append("stream", finding.cell.isStream, to: &object)
        append("tools", finding.cell.hasTools, to: &object)
        append("served", finding.isServed, to: &object)
        append("level", finding.level, to: &object)
        if case .captured(_, let isComplete, let hasPromptIDs) = finding.result {
            append("complete", isComplete, to: &object)
            append("prompt_token_ids", hasPromptIDs, to: &object)
        }
        object.appendJSONKey("problems")
        object.append(contentsOf: list(finding.problems))
        object.appendJSONKey("refusals")
        object.append(contentsOf: list(finding.refusals))
        if case .failed(let status, let message) = finding.result {
            object.appendJSONKey("status")
            object.append(contentsOf: (status.map(String.init) ?? "null").utf8)
            append("error", message, to: &object)
        }
        object.append(UInt8(ascii: "}"))
        return object
    }

    private static func list(_ strings: [String]) -> [UInt8] {
        var list = JSONList()
        for string in strings {
            var text: [UInt8] = []
            text.appendJSONString(string)
            list.append(text)
        }
        return list.array
    }

    private static func append(_ key: StaticString, _ value: String?, to object: inout [UInt8]) {
        object.appendJSONKey(key)
        if let value { object.appendJSONString(value) } else { object.append(contentsOf: "null".utf8) }
    }

    private static func append(_ key: StaticString, _ value: Bool, to object: inout [UInt8]) {
        object.appendJSONKey(key)
        object.append(contentsOf: (value ? "true" : "false").utf8)
    }
}
