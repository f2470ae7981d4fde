import ArgumentParser
import Verbatim

struct TraceStatsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "stats",
        abstract: "Count the turns and tokens of a trace, and measure how long they took."
    )

    @Argument(help: "The trace: a file, or a folder with a file for each rollout.")
    var file: TraceArgument

    func run() throws {
        var summary = TraceSummary()
        var failures: [CommandFailure] = []
        var unfinished = 0
        for trace in try file.traces() {
            var invalid = InvalidLines()
            do throws(TraceReaderError) {
                let tornTail = try trace.forEachTurn {
                    summary.add($0)
                } onInvalidLine: { line in
                    invalid.note(line)
                }
                unfinished += tornTail?.byteCount ?? 0
            } catch {
                throw CommandFailure(error)
            }
            if let failure = invalid.failure(of: trace.path) { failures.append(failure) }
        }
        StandardOutput.print(summary.table)
        if unfinished > 0 { StandardError.print("not counted: \(unfinished) bytes of an unfinished line") }
        try CommandFailure.throwLast(of: failures)
    }
}
