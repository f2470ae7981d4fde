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

            Of a folder, each file is a trace of its own. Those with something wrong are named.
            """
    )

    @Argument(help: "The trace: one file, several in order, or a folder with a file for each rollout.")
    var file: [TraceArgument]

    func validate() throws {
        if file.count > 1, let folder = file.first(where: \.isFolder) {
            throw ValidationError("'\(folder.path)' is a folder: check it alone")
        }
    }

    func run() throws {
        if file.count == 1, file[0].isFolder { return try checkFolder(file[0]) }
        let files = file.map(\.path)
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

    private func checkFolder(_ folder: TraceArgument) throws {
        let traces = try folder.traces()
        var turns = 0
        var sessions = 0
        var findings = 0
        var continuedSessions = 0
        for trace in traces {
            do throws(TraceReaderError) {
                let summary = try trace.check { finding in
                    StandardOutput.print("\(trace.path), line \(finding.line): \(finding.message)")
                }
                turns += summary.turns
                sessions += summary.sessions
                findings += summary.findings
                continuedSessions += summary.continuedSessions
            } catch {
                throw CommandFailure(error)
            }
        }
        StandardOutput.print(
            "\(folder.path): \(counted(traces.count, "rollout")), \(counted(turns, "turn")), "
                + "\(counted(sessions, "session")), "
                + (findings == 0 ? "nothing wrong" : counted(findings, "finding")))
        if continuedSessions > 0 { StandardOutput.print("\(counted(continuedSessions, "session")) without turn 1") }
        if findings > 0 { throw ExitCode(EX_DATAERR) }
    }
}
