import NIOCore

/// What the connections of one event loop share.
final class EngineLoop {
    /// What a loop is given to look at its sockets before it goes on with what is due already.
    static let breath = TimeAmount.microseconds(200)

    let wheel: TimerWheel
    let cache = TemplateCache(isChunked: true)
    var counters = EngineCounters()

    init(loop: any EventLoop) { wheel = TimerWheel(loop: loop) }
}
