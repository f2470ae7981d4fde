import NIOCore

/// What the connections of one event loop share.
final class EngineLoop {
    let wheel: TimerWheel
    let cache = TemplateCache(isChunked: true)
    var counters = EngineCounters()

    init(loop: any EventLoop) { wheel = TimerWheel(loop: loop) }
}
