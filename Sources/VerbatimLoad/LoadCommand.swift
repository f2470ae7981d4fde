import ArgumentParser
import VerbatimPlatform

/// The load tool: a scripted engine and agents that check every byte of its replies.
///
/// It shares no code with the proxy except `VerbatimPlatform`, so that a fault of the proxy cannot hide itself.
@main
struct LoadCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "verbatim-load",
        abstract: "A scripted engine and many agents, to load the proxy between them and check every byte.",
        subcommands: [EngineCommand.self, ClientCommand.self]
    )

    static func main() async {
        signal(SIGPIPE, SIG_IGN)
        CurrentProcess.raiseFileLimit()
        do {
            var command = try parseAsRoot()
            if var command = command as? any AsyncParsableCommand {
                try await command.run()
            } else {
                try command.run()
            }
        } catch {
            exit(withError: error)
        }
    }
}
