import NIOCore
import NIOPosix

/// Requests `/healthz` at a fixed pace. The time to the response shows how long an event loop keeps its other
/// connections waiting, since the response itself takes next to no time.
final class HealthProbe: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private static let interval = TimeAmount.milliseconds(10)

    private(set) var times = Histogram()
    /// How late this thread sent its requests: the delay that the machine adds, not the proxy.
    private(set) var lateness = Histogram()
    private var reader = ReplyReader()
    /// When the request that is under way was due.
    private var due = NIODeadline.now()
    private var askedAt = NIODeadline.now()
    private var context: ChannelHandlerContext?

    func channelActive(context: ChannelHandlerContext) {
        self.context = context
        due = .now()
        ask()
        context.fireChannelActive()
    }

    func channelInactive(context: ChannelHandlerContext) {
        self.context = nil
        context.fireChannelInactive()
    }

    private func ask() {
        guard let context else { return }
        reader = ReplyReader()
        askedAt = .now()
        context.writeAndFlush(
            wrapOutboundOut(ByteBuffer(string: "GET /healthz HTTP/1.1\r\nHost: probe\r\n\r\n")), promise: nil)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var bytes = unwrapInboundIn(data)
        guard (try? reader.receive(&bytes)) != nil, reader.status == 200 else { return context.close(promise: nil) }
        guard reader.isDone else { return }
        var time = askedAt.microsecondsUntilNow
        times.record(time)
        // Requests that fell due meanwhile would have waited for the rest of this one: count them as well.
        while time > Self.interval.microseconds {
            time -= Self.interval.microseconds
            times.record(time)
        }
        while due <= .now() { due = due + Self.interval }
        context.eventLoop.assumeIsolated().scheduleTask(deadline: due) {
            self.lateness.record(self.due.microsecondsUntilNow)
            self.ask()
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
}

extension TimeAmount {
    fileprivate var microseconds: UInt64 { UInt64(nanoseconds / 1000) }
}

/// Probes on a thread of their own, which does not wait for the agents.
struct HealthProbes: Sendable {
    private let group: MultiThreadedEventLoopGroup
    private let probes: [(channel: any Channel, probe: NIOLoopBound<HealthProbe>)]

    static func start(_ count: Int, host: String, port: Int) async throws -> HealthProbes {
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        var probes: [(channel: any Channel, probe: NIOLoopBound<HealthProbe>)] = []
        for _ in 0..<count {
            let loop = group.next()
            let probe = try await loop.submit { NIOLoopBound(HealthProbe(), eventLoop: loop) }.get()
            let channel = try await ClientBootstrap(group: loop)
                .channelOption(.tcpOption(.tcp_nodelay), value: 1)
                .channelInitializer { channel in
                    channel.eventLoop.makeCompletedFuture {
                        try channel.pipeline.syncOperations.addHandler(probe.value)
                    }
                }
                .connect(host: host, port: port).get()
            probes.append((channel, probe))
        }
        return HealthProbes(group: group, probes: probes)
    }

    struct Times: Sendable {
        var health = Histogram()
        var lateness = Histogram()
    }

    func stop() async throws -> Times {
        var times = Times()
        for (channel, probe) in probes {
            let (health, lateness) = try await probe.eventLoop.submit { (probe.value.times, probe.value.lateness) }
                .get()
            times.health.add(health)
            times.lateness.add(lateness)
            try? await channel.close()
        }
        try await group.shutdownGracefully()
        return times
    }
}
