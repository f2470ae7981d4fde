import ArgumentParser

struct TraceCommand: ParsableCommand { static let configuration = CommandConfiguration(commandName: "trace") }
struct DemoCommand: ParsableCommand { static let configuration = CommandConfiguration(commandName: "demo") }
