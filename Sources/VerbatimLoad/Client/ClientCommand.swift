import ArgumentParser
import NIOCore
import NIOPosix
import VerbatimPlatform

struct ClientCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "client",
        abstract: "Runs many agents at once, and checks every byte that they receive.",
        discussion: """
            The proxy's engine must be the one of this tool. The report is written to standard output as JSON, and to \
            standard error as text. The exit code is 1 if a reply differed from what the engine sent.
            """
    )

    @Option(help: "Host of the proxy; of the engine, to measure without a proxy.") var host = "127.0.0.1"
    @Option(help: "Port of the proxy or engine.") var port: Int
    @Option(help: "Number of concurrent agents.") var agents = 100
    @Option(help: "Turns of each agent.") var turns = Int.max
    @Option(help: "Seconds after which no further turn begins.") var seconds = 3600.0
    @Option(help: "Seconds over which the agents are started.") var ramp = 1.0
    @Option(help: "Fewest tokens of a reply.") var minEvents = 64
    @Option(help: "Most tokens of a reply; --min-events by default.") var maxEvents: Int?
    @Option(help: "Milliseconds between events; 0 for no pacing.") var interval = 0
    @Option(help: "Bytes of an event with log-probabilities.") var eventBytes = 780
    @Option(help: "Bytes of a prompt.") var promptBytes = 64
    @Option(help: "Percent of turns in which the agent stops reading for a while.") var pauses = 0
    @Option(help: "Percent of those pauses that are in streams of several megabytes.") var largePauses = 3
    @Option(help: "Percent of turns that the agent leaves before the end.") var leaves = 0
    @Option(help: "Percent of turns in which the engine fails.") var faults = 0
    @Option(help: "Percent of the other turns that are not streamed.") var unary = 0
    @Option(help: "Percent of turns whose request asks for log-probabilities and token ids itself.") var asking = 50
    @Flag(help: "Check only bodies, for proxies that change the engine's headers.") var anyHeaders = false
    @Option(help: "Seed of the choice of turns.") var seed: UInt64 = 1
    @Option(help: "Number of the first request.") var firstID: UInt32 = 1
    @Option(help: "Prefix of the session names.") var name = "load"
    @Option(help: "Seconds that a turn may take.") var turnLimit = 120.0
    @Option(help: "Connections that request /healthz every ten milliseconds.") var probes = 0
    @Option(help: "Number of event loops.") var threads = 1
    @Option(help: "File to which each turn is written as a JSON line.") var log: String?

    func validate() throws {
        guard agents > 0, agents <= 100_000, minEvents > 0, maxEvents ?? minEvents >= minEvents, threads > 0 else {
            throw ValidationError("expected 1 to 100000 agents, and at least one event and thread")
        }
    }

    func run() async throws {
        let start = NIODeadline.now()
        let mix = TurnMix(
            pauses: pauses, largePauses: largePauses, leaves: leaves, faults: faults, unary: unary, asking: asking,
            events: minEvents...(maxEvents ?? minEvents), interval: interval, eventBytes: eventBytes, seed: seed)
        let options = LoadOptions(
            host: host, port: port, name: name, mix: mix, turns: turns, end: start + Self.time(seconds),
            turnLimit: Self.time(turnLimit), prompt: String(repeating: "x", count: promptBytes),
            checksHeaders: !anyHeaders, firstID: firstID)
        let health = probes > 0 ? try await HealthProbes.start(probes, host: host, port: port) : nil
        let report = try await load(options)
        let duration = Double((NIODeadline.now() - start).nanoseconds) / 1e9
        let times = try await health?.stop()
        if let log { try write(report.log, to: log) }
        StandardError.print(report.table(seconds: duration, probes: times))
        StandardOutput.print(report.json(seconds: duration, probes: times))
        if !report.mismatches.isEmpty { throw ExitCode(1) }
    }

    private func load(_ options: LoadOptions) async throws -> LoadReport {
        let group = MultiThreadedEventLoopGroup(numberOfThreads: threads)
        let (agents, threads, ramp) = (agents, threads, Self.time(ramp))
        var running: [(any EventLoop, EventLoopFuture<LoadReport>)] = []
        for (place, loop) in group.makeIterator().enumerated() {
            let numbers = Array(stride(from: place, to: agents, by: threads))
            let report = loop.flatSubmit {
                let load = LoadLoop(eventLoop: loop, options: options)
                return load.run(agents: numbers, ramp: ramp).assumeIsolated().map { load.report }.nonisolated()
            }
            running.append((loop, report))
        }
        var sum = LoadReport()
        for (_, report) in running { sum.add(try await report.get()) }
        try await group.shutdownGracefully()
        return sum
    }

    private func write(_ lines: [String], to path: String) throws {
        guard let file = fopen(path, "w") else { throw ValidationError("cannot write to \(path)") }
        defer { fclose(file) }
        for line in lines { fputs(line + "\n", file) }
    }

    private static func time(_ seconds: Double) -> TimeAmount { .nanoseconds(Int64(seconds * 1e9)) }
}
