import ArgumentParser
import Trace
import Verbatim

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif

struct TraceCheckCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "check",
        abstract: "Check that every line of a trace is a record, its lists align and no turn is missing.",
        discussion: "Lists what is wrong, by line. Exits with 0 if nothing is, with 65 if anything is."
    )

    @Argument(help: "The trace.")
    var file: String

    func run() throws {
        let summary: TraceCheck.Summary
        do throws(TraceReaderError) {
            summary = try TraceReader(path: file).check { StandardOutput.print("line \($0.line): \($0.message)") }
        } catch {
            throw CommandFailure(error)
        }
        let findings = summary.findings == 0 ? "nothing wrong" : counted(summary.findings, "finding")
        StandardOutput.print(
            "\(file): \(counted(summary.turns, "turn")), \(counted(summary.sessions, "session")), \(findings)"
        )
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
