import NIOCore

/// What the connections of one event loop share.
final class EngineLoop {
    /// The pause in which the event loop reads its sockets before it continues with streams that are due.
    static let breath = TimeAmount.microseconds(200)

    let wheel: TimerWheel
    let cache = TemplateCache(isChunked: true)
    /// The number of events that a stream writes before other streams have their turn.
    let burst: Int
    var counters = EngineCounters()

    private let loop: any EventLoop
    /// The streams that have more to send, in the order of their turns.
    private var waiting: [EngineHandler] = []
    private var isRoundAhead = false

    init(loop: any EventLoop, burst: Int = 64, tick: TimeAmount = .milliseconds(1)) {
        self.loop = loop
        self.burst = burst
        wheel = TimerWheel(loop: loop, tick: tick)
    }

    /// Continues a stream after all others that can send have had their turn.
    func takeTurns(_ handler: EngineHandler) {
        waiting.append(handler)
        if isRoundAhead { return }
        isRoundAhead = true
        // The same time for each event, however many are written at once.
        let breath = TimeAmount.nanoseconds(Self.breath.nanoseconds * Int64(min(burst, 64)) / 64)
        loop.assumeIsolated().scheduleTask(in: breath) {
            let round = self.waiting
            self.waiting = []
            self.isRoundAhead = false
            for handler in round { handler.resume() }
        }
    }
}
