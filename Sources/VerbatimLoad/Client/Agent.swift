import NIOCore
import NIOPosix
import VerbatimPlatform

/// An agent that runs one turn after the other, and keeps its connection as long as it can.
final class Agent {
    private let number: Int
    private let loop: LoadLoop
    private let onEnd: () -> Void

    private var channel: (any Channel)?
    /// Counts connections, so that events of an earlier one are not taken for the current one's.
    private var generation = 0
    private var turnCount = 0
    private var plan: TurnPlan?
    private var check: ReplyCheck?
    private var startedAt = NIODeadline.now()
    private var lastEventAt: NIODeadline?
    private var hasPaused = false
    private var limit: Scheduled<Void>?

    /// - Parameter onEnd: Called when the agent has nothing more to do.
    init(number: Int, loop: LoadLoop, onEnd: @escaping () -> Void) {
        self.number = number
        self.loop = loop
        self.onEnd = onEnd
    }

    private var session: String { "\(loop.options.name)-\(number)" }

    // MARK: Turns

    func nextTurn() {
        guard turnCount < loop.options.turns, .now() < loop.options.end else {
            drop()
            return onEnd()
        }
        let plan = loop.options.mix.plan(
            agent: number, turn: turnCount, id: loop.options.id(agent: number, turn: turnCount))
        turnCount += 1
        self.plan = plan
        check = ReplyCheck(
            plan.spec, loop.cache.templates(for: plan.spec), checksHeaders: loop.options.checksHeaders)
        lastEventAt = nil
        hasPaused = false
        startedAt = .now()
        limit = loop.eventLoop.assumeIsolated().scheduleTask(in: loop.options.turnLimit) { self.finish(.hung) }
        // An agent that will stop reading gets a small receive buffer, so that the proxy notices soon.
        if case .pause = plan.conduct { drop() }
        if let channel, channel.isActive { send(plan, on: channel) } else { connect(plan) }
    }

    private func connect(_ plan: TurnPlan) {
        generation += 1
        let current = generation
        var bootstrap = ClientBootstrap(group: loop.eventLoop)
            .channelOption(.tcpOption(.tcp_nodelay), value: 1)
            .connectTimeout(.seconds(20))
        if case .pause = plan.conduct { bootstrap = bootstrap.channelOption(.socketOption(.so_rcvbuf), value: 4096) }
        bootstrap.connect(host: loop.options.host, port: loop.options.port).assumeIsolated().whenComplete { result in
            switch result {
            case .failure:
                if self.generation == current { self.finish(.refused) }
            case .success(let channel):
                guard self.generation == current else { return channel.close(promise: nil) }
                self.channel = channel
                let handler = AgentHandler(agent: self, generation: current)
                do {
                    try channel.pipeline.syncOperations.addHandler(handler)
                    self.send(plan, on: channel)
                } catch {
                    self.finish(.refused)
                }
            }
        }
    }

    private func send(_ plan: TurnPlan, on channel: any Channel) {
        let body = plan.spec.body(prompt: loop.options.prompt)
        let request =
            "POST /v1/chat/completions HTTP/1.1\r\nHost: \(loop.options.host)\r\nX-Verbatim-Session: \(session)\r\n"
            + "Content-Type: application/json\r\nContent-Length: \(body.utf8.count)\r\n\r\n\(body)"
        channel.writeAndFlush(ByteBuffer(string: request), promise: nil)
    }

    private func finish(_ end: TurnEnd, detail: String? = nil) {
        guard let plan, let check else { return }
        self.plan = nil
        self.check = nil
        limit?.cancel()
        loop.report.note(
            plan, session: session, end: end, status: check.status, tokens: check.tokens, detail: detail)
        if end == .whole { loop.report.turn.record(startedAt.microsecondsUntilNow) }
        if check.closes || (end != .whole && end != .error) { drop() }
        // Later, so that the stack does not grow; and not soon after a refusal.
        let pause: TimeAmount = end == .refused ? .milliseconds(100) : .nanoseconds(0)
        loop.eventLoop.assumeIsolated().scheduleTask(in: pause) { self.nextTurn() }
    }

    /// Ends the connection, if there is one.
    private func drop(resets: Bool = false) {
        generation += 1
        guard let channel else { return }
        self.channel = nil
        if resets, let options = channel as? any SocketOptionProvider {
            options.setSoLinger(linger(l_onoff: 1, l_linger: 0)).assumeIsolated().whenComplete { _ in
                channel.close(promise: nil)
            }
        } else {
            channel.close(promise: nil)
        }
    }

    // MARK: The connection

    func received(_ bytes: ByteBuffer, generation: Int) {
        guard generation == self.generation, let plan, check != nil else { return }
        let now = NIODeadline.now()
        let tokens = check?.tokens ?? 0
        do throws(Mismatch) {
            try check?.receive(bytes) { time in note(eventSentAt: time, of: plan, at: now) }
        } catch {
            return finish(.mismatch, detail: error.description)
        }
        guard let check else { return }
        loop.report.count(events: check.tokens - tokens, bytes: bytes.readableBytes)
        if check.isDone {
            finish(check.status == 200 || plan.spec.fault != nil && check.status < 501 ? .whole : .error)
        } else if check.isHeadRead {
            behave(plan.conduct, tokens: check.tokens)
        }
    }

    private func note(eventSentAt time: UInt64, of plan: TurnPlan, at now: NIODeadline) {
        if let lastEventAt {
            if plan.isTimed {
                let gap = UInt64((now - lastEventAt).nanoseconds) / 1000
                loop.report.gap.record(gap)
                loop.report.gapExcess.record(gap - min(gap, UInt64(plan.spec.interval) * 1000))
            }
        } else if plan.isTimed || plan.spec.interval == 0 {
            loop.report.firstEvent.record(UInt64((now - startedAt).nanoseconds) / 1000)
        }
        if plan.isTimed { loop.report.delay.record(now.microseconds > time ? now.microseconds - time : 0) }
        lastEventAt = now
    }

    private func behave(_ conduct: TurnPlan.Conduct, tokens: Int) {
        switch conduct {
        case .leave(let count, let resets) where tokens >= count:
            drop(resets: resets)
            finish(.left)
        case .pause(let count, let milliseconds, let leaves) where tokens >= count && !hasPaused:
            hasPaused = true
            try? channel?.syncOptions?.setOption(.autoRead, value: false)
            let current = generation
            loop.eventLoop.assumeIsolated().scheduleTask(in: .milliseconds(Int64(milliseconds))) {
                guard self.generation == current else { return }
                if leaves {
                    self.drop()
                    self.finish(.left)
                } else {
                    try? self.channel?.syncOptions?.setOption(.autoRead, value: true)
                }
            }
        default: break
        }
    }

    func closed(generation: Int) {
        guard generation == self.generation else { return }
        channel = nil
        self.generation += 1
        finish(.cut)
    }
}

extension TurnPlan {
    /// Whether the times of this turn measure the proxy.
    fileprivate var isTimed: Bool {
        if case .pause = conduct { false } else { spec.interval > 0 }
    }
}

extension NIODeadline {
    var microsecondsUntilNow: UInt64 { UInt64((NIODeadline.now() - self).nanoseconds) / 1000 }
}

/// Passes the events of one connection to its agent.
private final class AgentHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    private let agent: Agent
    private let generation: Int

    init(agent: Agent, generation: Int) {
        self.agent = agent
        self.generation = generation
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        agent.received(unwrapInboundIn(data), generation: generation)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }

    func channelInactive(context: ChannelHandlerContext) {
        agent.closed(generation: generation)
        context.fireChannelInactive()
    }
}
