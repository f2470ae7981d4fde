import ArgumentParser
import VerbatimPlatform

@main
struct VerbatimCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "verbatim",
        abstract: "Records the exact tokens and log-probabilities of every model call an agent makes.",
        discussion: """
            A transparent proxy between an agent that uses an OpenAI-style API and its engine. The agent receives, byte \
            for byte, what the engine would have sent without the proxy.
            """,
        version: "0.1.0",
        subcommands: [ServeCommand.self, ProbeCommand.self, DemoCommand.self, TraceCommand.self, RowsCommand.self],
        defaultSubcommand: ServeCommand.self
    )

    /// Runs the command line. An error is printed as `error: …` on standard error, and ends the process with an exit
    /// code of `sysexits.h`.
    static func main() async {
        signal(SIGPIPE, SIG_IGN)
        // A write beyond the limit of a file's size (`ulimit -f`) is then an error that can be reported.
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
