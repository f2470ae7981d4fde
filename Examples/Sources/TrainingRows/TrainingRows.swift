import Foundation
import Verbatim

/// Prints the turns of a trace that can be trained on, one line of JSON for each, and follows the trace as it grows:
///
///     swift run TrainingRows trace.jsonl
///
/// A row has the ids of the prompt and of the sampled tokens, and their log-probabilities. Turns without all of these
/// are counted, not guessed.
@main
struct TrainingRows {
    static func main() async throws {
        guard CommandLine.arguments.count == 2 else {
            print("usage: TrainingRows TRACE")
            return
        }
        for try await turn in TraceReader(path: CommandLine.arguments[1]).follow() {
            let line = row(of: turn) ?? "# turn \(turn.number) of \(turn.sessionID): \(reason(for: turn))"
            FileHandle.standardOutput.write(Data("\(line)\n".utf8))  // at once, also into a pipe
        }
    }

    /// Returns the row of a turn, or nil if a part of it is missing.
    private static func row(of turn: Turn) -> String? {
        guard turn.outcome == .completed, turn.captureLevel == .tokens, turn.isCaptureComplete,
            let prompt = turn.promptTokenIDs
        else { return nil }
        let logprobs = turn.perTokenLogprobs.map { $0.map { "\($0)" } ?? "null" }.joined(separator: ",")
        return #"{"prompt":\#(prompt),"completion":\#(turn.completionTokenIDs),"logprobs":[\#(logprobs)]}"#
    }

    /// Returns why a turn has no row.
    private static func reason(for turn: Turn) -> String {
        if turn.outcome != .completed { return turn.outcome.rawValue }
        if !turn.captureProblems.isEmpty { return turn.captureProblems.map(\.rawValue).joined(separator: ", ") }
        return turn.promptTokenIDs == nil ? "no prompt ids" : "captured as \(turn.captureLevel.rawValue)"
    }
}
