import ArgumentParser

struct TraceCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "trace",
        abstract: "Show, check and count what a trace holds.",
        subcommands: [TraceShowCommand.self, TraceCheckCommand.self, TraceStatsCommand.self]
    )
}
