import ArgumentParser
import VerbatimPlatform

@main
struct VerbatimCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "verbatim",
        abstract: "Records the exact tokens and log-probabilities of every model call an agent makes.",
        discussion: """
            A transparent proxy between an agent that speaks an OpenAI-style API and the engine behind it. \
            The agent receives, byte for byte, what the engine would have sent without it.
            """,
        version: "0.1.0",
        subcommands: [ServeCommand.self, ProbeCommand.self, DemoCommand.self, TraceCommand.self],
        defaultSubcommand: ServeCommand.self
    )

    /// Runs the command line. Errors are told as `error: …` on standard error, with an exit code of `sysexits.h`.
    static func main() async {
        signal(SIGPIPE, SIG_IGN)
        // A file that has reached its limit (`ulimit -f`) is an error to be told, not the end.
        signal(SIGXFSZ, SIG_IGN)
        do {
            var command = try parseAsRoot()
            if var command = command as? any AsyncParsableCommand {
                try await command.run()
            } else {
                try command.run()
            }
        } catch let failure as CommandFailure {
            StandardError.print("error: \(failure.message)")
            CurrentProcess.exit(failure.code)
        } catch {
            let code = exitCode(for: error)
            let message = fullMessage(for: error)
            if code.isSuccess {
                print(message)
            } else if !message.isEmpty {
                StandardError.print(
                    message.hasPrefix("Error: ") ? "error: " + message.dropFirst("Error: ".count) : message)
            }
            CurrentProcess.exit(code.rawValue)
        }
    }
}
