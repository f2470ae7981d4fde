import ArgumentParser
import Verbatim

struct TraceStatsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "stats",
        abstract: "Count the turns and tokens of a trace, and measure how long they took."
    )

    @Argument(help: "The trace.")
    var file: String

    func run() throws {
        var summary = TraceSummary()
        var invalid = InvalidLines()
        let tornTail: TraceContents.TornTail?
        do throws(TraceReaderError) {
            tornTail = try TraceReader(path: file).forEachTurn {
                summary.add($0)
            } onInvalidLine: { line in
                invalid.note(line)
            }
        } catch {
            throw CommandFailure(error)
        }
        StandardOutput.print(summary.table)
        if let tornTail { StandardError.print("not counted: \(tornTail.byteCount) bytes of an unfinished line") }
        if let failure = invalid.failure(of: file) { throw failure }
    }
}
