import ArgumentParser
import Verbatim

struct TraceStatsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "stats",
        abstract: "Count the turns and tokens of a trace, and how long they took."
    )

    @Argument(help: "The trace.")
    var file: String

    func run() throws {
        var summary = TraceSummary()
        var invalidLines = 0
        let tornTail: TraceContents.TornTail?
        do throws(TraceReaderError) {
            tornTail = try TraceReader(path: file).forEachTurn {
                summary.add($0)
            } onInvalidLine: { _ in
                invalidLines += 1
            }
        } catch {
            throw CommandFailure(error)
        }
        StandardOutput.print(summary.table)
        if invalidLines > 0 || tornTail != nil {
            let torn = tornTail.map { ", \($0.byteCount) bytes of an unfinished line" } ?? ""
            StandardError.print("not counted: \(counted(invalidLines, "line")) that are no records\(torn)")
        }
    }
}
