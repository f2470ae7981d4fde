import ArgumentParser

struct TraceShowCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "show",
        abstract: "Show the turns of a trace: what was asked last, and what the engine answered."
    )

    @Argument(help: "The trace.")
    var file: String

    @Option(help: ArgumentHelp("Show this turn alone, of each session that has it.", valueName: "n"))
    var turn: Int?

    @Option(help: ArgumentHelp("Show the turns of this session alone.", valueName: "id"))
    var session: String?

    @Flag(help: "Show each token with its id and log-probability.")
    var tokens = false

    @Option(help: "Colour by probability: auto, always or never.")
    var color: ColorChoice = .auto

    func validate() throws {
        if let turn, turn < 1 { throw ValidationError("--turn must be at least 1, not \(turn)") }
    }

    func run() throws {
        try TurnPrinter(color: color.isOn, showing: tokens ? .table : .none).print(file, turn: turn, session: session)
    }
}
