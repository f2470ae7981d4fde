/// Renders tokens with their probabilities.
struct TokenRenderer: Sendable {
    private let style: TerminalStyle

    init(color: Bool) {
        style = TerminalStyle(isOn: color)
    }

    /// From likely to unlikely: the least probability of a shade, its name and its color.
    private static let shades: [(least: Double, name: String, color: Int)] = [
        (0.9, "≥90%", 22), (0.5, "≥50%", 58), (0.2, "≥20%", 94), (0.05, "≥5%", 130), (0, "<5%", 124),
    ]
    private static let colorOfUnknown = 238

    /// The text that the tokens make up, each on the color of its probability. Without colors a probability below 100 %
    /// follows its token.
    /// A token without text is shown as `⍰`.
    func render(_ tokens: [String?], _ logprobs: [Double?]) -> String {
        var result = ""
        for (index, token) in tokens.enumerated() {
            let token = token ?? "⍰"
            let logprob = logprobs.indices.contains(index) ? logprobs[index] : nil
            result += style.isOn ? colored(token, logprob) : annotated(token, logprob)
        }
        return style.isOn ? result + "\n" + legend : result
    }

    /// A line per token with its id and log-probability, or `-` for what is unknown of it.
    func table(_ tokens: [String?], ids: [Int?], logprobs: [Double?]) -> String {
        var lines = [style.dim("      #        id      logprob    prob  token")]
        for index in 0..<max(tokens.count, ids.count, logprobs.count) {
            let id = (ids.indices.contains(index) ? ids[index] : nil).map { String($0) } ?? "-"
            let logprob = logprobs.indices.contains(index) ? logprobs[index] : nil
            let token =
                (tokens.indices.contains(index) ? tokens[index] : nil).map { colored(quoted: $0, logprob) } ?? "-"
            let columns = [
                String(index).leftPadded(to: 7), id.leftPadded(to: 10), (logprob?.fixed(6) ?? "-").leftPadded(to: 13),
                percentage(logprob).leftPadded(to: 8),
            ]
            lines.append(columns.joined() + "  " + token)
        }
        return lines.joined(separator: "\n")
    }

    /// The meaning of the colors.
    var legend: String {
        let shades = Self.shades.map { style.onBackground($0.color, " \($0.name) ") }
        return shades.joined() + style.onBackground(Self.colorOfUnknown, " unknown ")
    }

    private func colored(_ token: String, _ logprob: Double?) -> String {
        // A background must end before the line does, or the terminal colors the rest of the line.
        token.printable.split(separator: "\n", omittingEmptySubsequences: false)
            .map { style.onBackground(color(of: logprob), String($0)) }
            .joined(separator: style.onBackground(color(of: logprob), "⏎") + "\n")
    }

    private func colored(quoted token: String, _ logprob: Double?) -> String {
        style.isOn ? style.onBackground(color(of: logprob), token.quoted) : token.quoted
    }

    private func annotated(_ token: String, _ logprob: Double?) -> String {
        guard let logprob else { return token.printable + "[?]" }
        let percent = percentage(logprob)
        return percent == "100.0%" ? token.printable : "\(token.printable)[\(percent)]"
    }

    private func percentage(_ logprob: Double?) -> String {
        guard let logprob else { return "-" }
        return (logprob.probability * 100).fixed(1) + "%"
    }

    private func color(of logprob: Double?) -> Int {
        guard let logprob else { return Self.colorOfUnknown }
        let probability = logprob.probability
        return Self.shades.first { probability >= $0.least }?.color ?? Self.colorOfUnknown
    }
}
