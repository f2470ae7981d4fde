import ArgumentParser

struct TraceShowCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "show",
        abstract: "Show the turns of a trace: the last message of each request, and the reply.",
        discussion: """
            Exit codes: 0 if turns were shown or the trace is empty, 65 if the trace has no such turn or session, or a \
            line that is not a record, 66 if it cannot be opened.
            """
    )

    @Argument(help: "The trace: a file, or a folder with a file for each rollout.")
    var file: TraceArgument

    @Option(help: ArgumentHelp("Show only this turn of each session.", valueName: "n"))
    var turn: Int?

    @Option(help: ArgumentHelp("Show only the turns of this session.", valueName: "id"))
    var session: String?

    @Flag(help: "Show every token with its id and log-probability.")
    var tokens = false

    @Option(help: "Color by probability: auto, always or never.")
    var color: ColorChoice = .auto

    func validate() throws {
        if let turn, turn < 1 { throw ValidationError("--turn must be at least 1, not \(turn)") }
    }

    func run() throws {
        try TurnPrinter(color: color.isOn, showing: tokens ? .table : .none).print(file, turn: turn, session: session)
    }
}
