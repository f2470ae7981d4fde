import NIOCore
import NIOEmbedded
import NIOHTTP1
import Testing

@testable import verbatim_load

struct LoadPartsTests {
    @Test("The engine reads the specification that the agent writes", arguments: TurnSpec.Fault.allCases + [nil])
    func engineReadsTheAgentsSpecification(fault: TurnSpec.Fault?) {
        var spec = TurnSpec(id: 4_000_000_000)
        spec.events = 64
        spec.interval = 100
        spec.eventBytes = 900
        spec.fault = fault
        spec.at = fault == nil ? 0 : 17
        let body = spec.body(prompt: "x")
        #expect(TurnSpec(body: ByteBuffer(string: body)) == spec)
        // As a proxy sends it on.
        spec.hasLogprobs = true
        spec.hasTokenIDs = true
        let more = body.dropLast() + #","logprobs":true,"top_logprobs":5,"return_token_ids":true}"#
        #expect(TurnSpec(body: ByteBuffer(string: String(more))) == spec)
    }

    @Test("An event has the requested size")
    func eventHasTheRequestedSize() {
        var spec = TurnSpec(id: 1)
        spec.hasLogprobs = true
        spec.hasTokenIDs = true
        spec.eventBytes = 1000
        #expect(ReplyTemplates(.init(spec), isChunked: false).token.length == 1000)
    }

    @Test("The same seed gives the same plans")
    func plansAreTheSameForTheSameSeed() {
        let mix = TurnMix(pauses: 10, leaves: 30, faults: 20, unary: 10, events: 5...50, seed: 3)
        for agent in 0..<20 {
            let (one, other) = (mix.plan(agent: agent, turn: 2, id: 1), mix.plan(agent: agent, turn: 2, id: 1))
            #expect(one.spec == other.spec)
            #expect(one.conduct == other.conduct)
        }
    }

    @Test("Percentiles are exact within the resolution")
    func percentiles() {
        var histogram = Histogram()
        for value in 1...100_000 { histogram.record(UInt64(value)) }
        for share in [0.5, 0.9, 0.99, 0.999] {
            let (found, exact) = (Double(histogram.percentile(share)), share * 100_000)
            #expect(found >= exact && found <= exact * (1 + 1.0 / 64) + 1)
        }
        #expect(histogram.percentile(1) == 100_000)
        #expect(Histogram().percentile(0.5) == 0)
    }

    @Test("Octaves count durations by powers of two")
    func octaves() {
        var histogram = Histogram()
        for value in [0, 1, 3, 3, 64, 100, 40_000] as [UInt64] { histogram.record(value) }
        let expected: [Int: UInt64] = [0: 1, 1: 1, 2: 2, 7: 2, 16: 1]
        #expect(histogram.octaves == (0...16).map { expected[$0] ?? 0 })
        #expect(Histogram().octaves.isEmpty)
    }

    /// The writes of the engine for a stream of three tokens.
    private static func writes(burst: Int) throws -> [String] {
        let loop = EmbeddedEventLoop()
        let engine = EngineLoop(loop: loop, burst: burst)
        let channel = EmbeddedChannel(handler: EngineHandler(loop: engine), loop: loop)
        var spec = TurnSpec(id: 1)
        spec.events = 3
        try channel.connect(to: SocketAddress(ipAddress: "127.0.0.1", port: 1)).wait()
        try channel.writeInbound(HTTPServerRequestPart.head(.init(version: .http1_1, method: .POST, uri: "/")))
        try channel.writeInbound(HTTPServerRequestPart.body(ByteBuffer(string: spec.body(prompt: ""))))
        try channel.writeInbound(HTTPServerRequestPart.end(nil))
        for _ in 0..<10 { loop.advanceTime(by: EngineLoop.breath) }
        var writes: [String] = []
        while let bytes = try channel.readOutbound(as: ByteBuffer.self) { writes.append(String(buffer: bytes)) }
        _ = try channel.finish()
        return writes
    }

    @Test("A burst holds the requested number of events")
    func burstHoldsTheRequestedEvents() throws {
        let single = try Self.writes(burst: 1)
        // The head; the role, three tokens, the usage, `[DONE]`; the end of the body.
        #expect(single.count == 8)
        #expect(single.dropFirst().dropLast().allSatisfy { $0.ranges(of: "data: ").count == 1 })
        #expect(single.last == "0\r\n\r\n")
        let bursts = try Self.writes(burst: 64)
        #expect(bursts.count == 2)
        let times = /"created":1\d+/
        #expect(
            single.joined().replacing(times, with: "") == bursts.joined().replacing(times, with: ""))
    }

    @Test("A timer wheel may have a smaller tick")
    func aWheelMayTurnInSmallerSteps() {
        let loop = EmbeddedEventLoop()
        let wheel = TimerWheel(loop: loop, tick: .microseconds(100), now: { loop.now })
        var called: [Int] = []
        for microseconds in [300, 700, 250_000] {
            wheel.schedule(at: loop.now + .microseconds(Int64(microseconds))) { called.append(microseconds) }
        }
        loop.advanceTime(by: .microseconds(600))
        #expect(called == [300])
        loop.advanceTime(by: .microseconds(249_000))
        #expect(called == [300, 700])
        loop.advanceTime(by: .microseconds(400))
        #expect(called == [300, 700, 250_000])
    }

    @Test("The timer wheel fires when a timer is due")
    func timerWheelFiresWhenATimerIsDue() {
        let loop = EmbeddedEventLoop()
        let wheel = TimerWheel(loop: loop, now: { loop.now })
        var called: [Int] = []
        for milliseconds in [1500, 3, 3, 40, 2600] {
            wheel.schedule(at: loop.now + .milliseconds(Int64(milliseconds))) { called.append(milliseconds) }
        }
        loop.advanceTime(by: .milliseconds(39))
        #expect(called == [3, 3])
        loop.advanceTime(by: .milliseconds(1))
        wheel.schedule(at: loop.now + .milliseconds(1)) { called.append(41) }
        loop.advanceTime(by: .milliseconds(1))
        #expect(called == [3, 3, 40, 41])
        loop.advanceTime(by: .milliseconds(3000))
        #expect(called == [3, 3, 40, 41, 1500, 2600])
    }
}
