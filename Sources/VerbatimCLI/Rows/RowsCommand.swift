import ArgumentParser
import Verbatim
import VerbatimPlatform
import VerbatimRows
import VerbatimTrace

struct RowsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "rows",
        abstract: "Turn traces into training rows: exact token sequences, each sampled token in at most one of them.",
        discussion: """
            Prints one row per line as JSON, and on standard error what was found and what was left out. Exit codes: 0, \
            65 if nothing is trainable or a line is not a record, 66 if a file cannot be opened. The files that are \
            named are one trace together; in a folder, each file is a trace with a rollout of its own.
            """
    )

    @Argument(help: "The traces: files, or folders with a file for each rollout.")
    var file: [TraceArgument]

    @Option(help: ArgumentHelp("Only the rollout of this root session.", valueName: "id"))
    var rollout: String?

    @Option(help: ArgumentHelp("Only rows with these roles, separated by commas.", valueName: "roles"))
    var roles: RoleList?

    @Flag(help: "Leave out rows with a turn whose captured data are not complete.")
    var requireComplete = false

    func run() throws {
        var summary = RowsSummary()
        var invalid: [CommandFailure] = []
        let files = file.filter { !$0.isFolder }.map { TraceReader(path: $0.path) }
        if !files.isEmpty { try write(files, summary: &summary, invalid: &invalid) }
        for folder in file where folder.isFolder {
            for trace in try folder.traces() {
                if let rollout, !trace.path.hasSuffix("/\(rollout).jsonl") { continue }
                try write([trace], summary: &summary, invalid: &invalid)
            }
        }
        for line in summary.lines { StandardError.print(line) }
        try CommandFailure.throwLast(of: invalid)
        if summary.trainableRows == 0 {
            throw CommandFailure(code: EX_DATAERR, message: "nothing is trainable")
        }
    }

    /// Writes the rows of the traces together.
    private func write(
        _ traces: [TraceReader], summary: inout RowsSummary, invalid: inout [CommandFailure]
    ) throws(CommandFailure) {
        var builder = RowBuilder()
        for trace in traces {
            var lines = InvalidLines()
            do throws(TraceReaderError) {
                _ = try trace.forEachTurn {
                    builder.add($0)
                } onInvalidLine: { line in
                    lines.note(line)
                }
            } catch {
                throw CommandFailure(error)
            }
            if let failure = lines.failure(of: trace.path) { invalid.append(failure) }
        }
        let rollouts = builder.rollouts().filter { rollout == nil || $0.id == rollout }
        for rollout in rollouts {
            let rows = rollout.rows.filter(isWanted)
            for row in rows {
                var line: [UInt8] = []
                RowEncoder.append(row, of: rollout, to: &line)
                StandardOutput.write(String(decoding: line, as: UTF8.self))
            }
            summary.add(rollout, rows: rows)
        }
    }

    private func isWanted(_ row: Row) -> Bool {
        if let roles, !roles.roles.contains(row.role) { return false }
        return !requireComplete || !row.findings.contains { $0.code == .incompleteCapture }
    }
}

/// The value of `--roles`.
struct RoleList: ExpressibleByArgument {
    let roles: [Role]

    init?(argument: String) {
        let names = argument.split(separator: ",").map(String.init)
        roles = names.compactMap(Role.init(rawValue:))
        if roles.isEmpty || roles.count != names.count { return nil }
    }
}
