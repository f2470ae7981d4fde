import ArgumentParser
import VerbatimTrace
import Verbatim
import VerbatimPlatform

struct TraceCheckCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "check",
        abstract: "Check that every line of a trace is a record, its lists align and no turn is missing.",
        discussion: """
            Lists what is wrong, by line. Exits with 0 if nothing is, with 65 if anything is, with 66 if a file cannot be \
            opened.

            Of a trace that was rotated, name all files, the oldest first. Of a session whose first turns are in none of \
            them nobody can say whether they are missing: that is told, and is not wrong.
            """
    )

    @Argument(help: "The trace: one file, or several that follow each other.")
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
                    + "check together with the files that were rotated away")
        }
        if summary.findings > 0 { throw ExitCode(EX_DATAERR) }
    }
}

extension CommandFailure {
    init(_ error: TraceReaderError) {
        self.init(code: error.code == .invalidRecord ? EX_DATAERR : EX_NOINPUT, message: error.message)
    }
}

/// `1 turn`, `2 turns`.
func counted(_ count: Int, _ noun: String) -> String { "\(count) \(noun)\(count == 1 ? "" : "s")" }
