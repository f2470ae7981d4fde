import NIOCore

/// What all agents are told.
struct LoadOptions: Sendable {
    var host: String
    var port: Int
    /// Begins the sessions of the agents.
    var name: String
    var mix: TurnMix
    /// Turns of each agent, at most.
    var turns: Int
    /// When the last turns begin.
    var end: NIODeadline
    /// Longest time of a turn; more means that something hangs.
    var turnLimit: TimeAmount
    var prompt: String
    var checksHeaders: Bool
    /// Of the first agent's first turn.
    var firstID: UInt32

    /// Different for each turn: a hundred thousand agents at most, and turns as they come.
    func id(agent: Int, turn: Int) -> UInt32 { firstID &+ UInt32(turn) &* 100_000 &+ UInt32(agent) }
}

/// What the agents of one event loop share.
final class LoadLoop {
    let eventLoop: any EventLoop
    let options: LoadOptions
    let cache = TemplateCache(isChunked: false)
    var report = LoadReport()
    private var running = 0

    init(eventLoop: any EventLoop, options: LoadOptions) {
        self.eventLoop = eventLoop
        self.options = options
    }

    /// Starts the agents, the last after `ramp`, and succeeds when all are done.
    func run(agents numbers: [Int], ramp: TimeAmount) -> EventLoopFuture<Void> {
        let done = eventLoop.makePromise(of: Void.self)
        running = numbers.count
        if numbers.isEmpty { done.succeed() }
        for (place, number) in numbers.enumerated() {
            let agent = Agent(number: number, loop: self) {
                self.running -= 1
                if self.running == 0 { done.succeed() }
            }
            let start = ramp.nanoseconds / Int64(numbers.count) * Int64(place)
            eventLoop.assumeIsolated().scheduleTask(in: .nanoseconds(start)) { agent.nextTurn() }
        }
        return done.futureResult
    }
}
