import ArgumentParser
import NIOCore
import NIOHTTP1
import NIOPosix
import UnixSignals

struct EngineCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "engine",
        abstract: "Runs a scripted engine. The load field of a request specifies the reply.",
        discussion: "Prints its URL and port as JSON at the start, and its counters after SIGTERM."
    )

    @Option(help: "Port to listen on; 0 picks a free one.") var port = 0
    @Option(help: "Number of event loops.") var threads = 1
    @Option(help: "Most events in one write. Real engines send each event on its own: 1.") var burst = 64
    @Option(help: "Microseconds within which paced events are sent together.")
    var tick = 1000

    func validate() throws {
        guard threads > 0, burst > 0, tick > 0 else { throw ValidationError("values must be 1 or more") }
    }

    func run() async throws {
        let signals = await UnixSignalsSequence(trapping: .sigterm, .sigint)
        let group = MultiThreadedEventLoopGroup(numberOfThreads: threads)
        var loops: [NIOLoopBound<EngineLoop>] = []
        for loop in group.makeIterator() {
            loops.append(
                try await loop.submit { [burst, tick] in
                    NIOLoopBound(
                        EngineLoop(loop: loop, burst: burst, tick: .microseconds(Int64(tick))), eventLoop: loop)
                }.get())
        }
        let listener = try await listen(group, loops)
        let port = listener.localAddress?.port ?? port
        StandardOutput.print(#"{"url":"http://127.0.0.1:\#(port)","port":\#(port)}"#)
        for await _ in signals { break }
        try await listener.close()
        var counters = EngineCounters()
        for loop in loops { counters = try await counters + loop.eventLoop.submit { loop.value.counters }.get() }
        StandardOutput.print(counters.json)
        try await group.shutdownGracefully()
    }

    private func listen(
        _ group: MultiThreadedEventLoopGroup, _ loops: [NIOLoopBound<EngineLoop>]
    ) async throws -> any Channel {
        try await ServerBootstrap(group: group)
            .serverChannelOption(.backlog, value: 4096)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelOption(.tcpOption(.tcp_nodelay), value: 1)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    guard let loop = loops.first(where: { $0.eventLoop === channel.eventLoop }) else { return }
                    try channel.pipeline.syncOperations.addHandlers([
                        ByteToMessageHandler(HTTPRequestDecoder(leftOverBytesStrategy: .dropBytes)),
                        EngineHandler(loop: loop.value),
                    ])
                }
            }
            .bind(host: "127.0.0.1", port: port)
            .get()
    }
}
