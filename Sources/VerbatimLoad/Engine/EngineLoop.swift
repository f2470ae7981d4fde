import NIOCore

/// What the connections of one event loop share.
final class EngineLoop {
    /// What a loop is given to look at its sockets before it goes on with what is due already.
    static let breath = TimeAmount.microseconds(200)

    let wheel: TimerWheel
    let cache = TemplateCache(isChunked: true)
    /// Events of a stream that are written at once; then other streams have their turn.
    let burst: Int
    var counters = EngineCounters()

    private let loop: any EventLoop
    /// Those that have more to send at once, in the order of their turns.
    private var waiting: [EngineHandler] = []
    private var isRoundAhead = false

    init(loop: any EventLoop, burst: Int = 64, tick: TimeAmount = .milliseconds(1)) {
        self.loop = loop
        self.burst = burst
        wheel = TimerWheel(loop: loop, tick: tick)
    }

    /// Lets a stream go on when all others that can have had their turn.
    func takeTurns(_ handler: EngineHandler) {
        waiting.append(handler)
        if isRoundAhead { return }
        isRoundAhead = true
        // As long for an event, however many are written at once.
        let breath = TimeAmount.nanoseconds(Self.breath.nanoseconds * Int64(min(burst, 64)) / 64)
        loop.assumeIsolated().scheduleTask(in: breath) {
            let round = self.waiting
            self.waiting = []
            self.isRoundAhead = false
            for handler in round { handler.resume() }
        }
    }
}
