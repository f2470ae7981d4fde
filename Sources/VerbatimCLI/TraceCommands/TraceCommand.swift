import ArgumentParser

struct TraceCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "trace",
        abstract: "Show, check or summarize a trace.",
        subcommands: [TraceShowCommand.self, TraceCheckCommand.self, TraceStatsCommand.self]
    )
}
