import NIOCore

/// The settings that all agents share.
struct LoadOptions: Sendable {
    var host: String
    var port: Int
    /// The prefix of the agents' sessions.
    var name: String
    var mix: TurnMix
    /// The largest number of turns of each agent.
    var turns: Int
    /// When the last turns begin.
    var end: NIODeadline
    /// The longest time of a turn. A turn that takes longer counts as hanging.
    var turnLimit: TimeAmount
    var prompt: String
    var checksHeaders: Bool
    /// The number of the first agent's first turn.
    var firstID: UInt32

    /// A number that is unique to a turn, for up to 100,000 agents.
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

    /// Starts the agents over the time `ramp`, and succeeds when all have ended.
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
