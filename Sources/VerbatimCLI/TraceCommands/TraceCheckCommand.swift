import ArgumentParser
import VerbatimTrace
import Verbatim
import VerbatimPlatform

struct TraceCheckCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "check",
        abstract: "Check that every line of a trace is a record, that its lists align and that no turn is missing.",
        discussion: """
            Lists what is wrong, by line. Exit codes: 0 if nothing is wrong, 65 if anything is, 66 if a file cannot be \
            opened. Turns that were unfinished when the proxy was killed are noted, but nothing is wrong with the trace.

            If the trace was rotated, name all files, the oldest first. A session whose first turns are in none of them \
            is reported but does not count as wrong: they may be in an older file.
            """
    )

    @Argument(help: "The trace: one file, or several in order.")
    var file: [String]

    func run() throws {
        let files = file
        var check = TraceCheck()
        func report(_ finding: TraceCheck.Finding) {
            let place = "line \(finding.line): \(finding.message)"
            StandardOutput.print(files.count == 1 ? place : "\(files[finding.file]), \(place)")
        }
        for path in files {
            do throws(TraceReaderError) {
                try TraceReader(path: path).read(into: &check, report: report)
            } catch {
                throw CommandFailure(error)
            }
        }
        let summary = check.finish(report: report)
        let findings = summary.findings == 0 ? "nothing wrong" : counted(summary.findings, "finding")
        let name = files.count == 1 ? files[0] : counted(files.count, "file")
        StandardOutput.print(
            "\(name): \(counted(summary.turns, "turn")), \(counted(summary.sessions, "session")), \(findings)"
        )
        if summary.continuedSessions > 0 {
            StandardOutput.print(
                "\(counted(summary.continuedSessions, "session")) without turn 1: "
                    + "check them together with the older files")
        }
        if summary.findings > 0 { throw ExitCode(EX_DATAERR) }
    }
}
