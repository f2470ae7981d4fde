import Verbatim
import VerbatimPlatform

/// Prints turns in readable form.
struct TurnPrinter: Sendable {
    private let style: TerminalStyle
    private let tokens: TokenRenderer
    private let display: TokenDisplay

    /// How a turn's tokens are shown.
    enum TokenDisplay: Sendable {
        case none
        /// The text that they make up, and the first ids.
        case text
        /// Also a table with ids and log-probabilities.
        case table
    }

    init(color: Bool, showing display: TokenDisplay) {
        style = TerminalStyle(isOn: color)
        tokens = TokenRenderer(color: color)
        self.display = display
    }

    /// Prints all turns of the trace at `path`.
    func printAll(of path: String) throws(CommandFailure) {
        try print(TraceArgument(argument: path), turn: nil, session: nil)
    }

    /// Prints the turns of a trace, of this number and this session if given.
    func print(_ argument: TraceArgument, turn number: Int?, session: String?) throws(CommandFailure) {
        var printed = 0
        var sessions: Set<String> = []
        var failures: [CommandFailure] = []
        for trace in try argument.traces() {
            var invalid = InvalidLines()
            do throws(TraceReaderError) {
                let tornTail = try trace.forEachTurn { turn in
                    if session != nil { sessions.insert(turn.sessionID) }
                    if let number, turn.number != number { return }
                    if let session, turn.sessionID != session { return }
                    StandardOutput.print(printed == 0 ? text(of: turn) : "\n" + text(of: turn))
                    printed += 1
                } onInvalidLine: { line in
                    invalid.note(line)
                }
                if let tornTail {
                    let place = argument.isFolder ? " of '\(trace.path)'" : ""
                    StandardError.print("the last \(tornTail.byteCount) bytes\(place) are an unfinished line")
                }
            } catch {
                throw CommandFailure(error)
            }
            if let failure = invalid.failure(of: trace.path) { failures.append(failure) }
        }
        try CommandFailure.throwLast(of: failures)
        if printed > 0 { return }
        if number == nil && session == nil { return }
        let missing =
            if let session, !sessions.contains(session) {
                "there is no session '\(session.printable)'" + Self.list(sessions)
            } else {
                "there is no turn \(number ?? 0)" + (session.map { " in session '\($0.printable)'" } ?? "")
            }
        throw CommandFailure(code: EX_DATAERR, message: "the trace '\(argument.path)' has no such turn: \(missing)")
    }

    /// `; it has 'a', 'b' and 3 others`
    private static func list(_ sessions: Set<String>) -> String {
        if sessions.isEmpty { return "; it has no turns" }
        let named = sessions.sorted().prefix(5).map { "'\($0.printable)'" }.joined(separator: ", ")
        return "; it has \(named)" + (sessions.count > 5 ? " and \(sessions.count - 5) others" : "")
    }

    /// The turn in some lines.
    func text(of turn: Turn) -> String {
        var lines = [style.bold(title(of: turn)), style.dim(figures(of: turn))]
        if !turn.captureProblems.isEmpty {
            lines.append(
                style.dim("  problems: " + turn.captureProblems.map(\.rawValue).joined(separator: ", ").printable))
        }
        for words in turn.refusals {
            lines.append(style.dim("  the engine refused: " + words.shortened(toLines: 2, characters: 200).printable))
        }
        if let message = RequestExcerpt(turn.requestJSON).lastMessage {
            lines.append(
                text(of: Excerpt(speaker: message.speaker, text: message.text.shortened(toLines: 12, characters: 800)))
            )
        }
        lines += ReplyExcerpt(turn.responseJSON).parts.map { text(of: $0) }
        if display != .none { lines += tokenLines(of: turn) }
        return lines.joined(separator: "\n")
    }

    private func title(of turn: Turn) -> String {
        var parts = ["turn \(turn.number)" + (turn.retryOf.map { ", a retry of turn \($0)" } ?? "")]
        parts.append("session \(turn.sessionID)" + (turn.parentSessionID.map { ", started by \($0)" } ?? ""))
        if let model = turn.model { parts.append(model) }
        parts.append(turn.dialect + (turn.isStream ? " stream" : ""))
        parts.append([turn.status.map { String($0) }, turn.outcome.rawValue].compactMap(\.self).joined(separator: " "))
        return "── " + parts.joined(separator: " · ").printable
    }

    private func figures(of turn: Turn) -> String {
        var parts: [String] = []
        let count = turn.completionTokenCount ?? turn.completionTokens.count
        parts.append(counted(count, "token") + (turn.promptTokenCount.map { " after \($0)" } ?? ""))
        if let reason = turn.finishReason { parts.append(reason) }
        parts.append(
            turn.latency.fixed(3) + " s" + (turn.timeToFirstToken.map { ", first token after \($0.fixed(3)) s" } ?? "")
        )
        parts.append("captured: \(turn.captureLevel.rawValue)" + (turn.isCaptureComplete ? "" : ", incomplete"))
        return "  " + parts.joined(separator: " · ").printable
    }

    private func text(of excerpt: Excerpt) -> String {
        let lines = excerpt.text.printable.split(separator: "\n", omittingEmptySubsequences: false)
        return style.bold("\(excerpt.speaker.printable):") + " " + lines.joined(separator: "\n  ")
    }

    private func tokenLines(of turn: Turn) -> [String] {
        turn.choices.flatMap { choice -> [String] in
            let heading = turn.choices.count > 1 ? "tokens of choice \(choice.index):" : "tokens:"
            if choice.knownTokens.isEmpty && choice.knownTokenIDs.isEmpty {
                return ["\(heading) none captured"]
            }
            let text = tokens.render(choice.knownTokens, choice.perTokenLogprobs)
            guard display == .table else {
                let ids = choice.knownTokenIDs
                let first =
                    ids.prefix(10).map { $0.map { String($0) } ?? "-" }.joined(separator: " ")
                    + (ids.count > 10 ? " …" : "")
                return [style.bold(heading), text, style.dim("\(counted(ids.count, "id")): \(first)")]
            }
            let table = tokens.table(
                choice.knownTokens, ids: choice.knownTokenIDs, logprobs: choice.perTokenLogprobs)
            return [style.bold(heading), text, table]
        }
    }
}
