import NIOCore
import NIOEmbedded
import Testing

@testable import verbatim_load

struct LoadPartsTests {
    @Test(arguments: TurnSpec.Fault.allCases + [nil])
    func engineReadsWhatTheAgentWants(fault: TurnSpec.Fault?) {
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

    @Test func anEventHasTheSizeThatIsWanted() {
        var spec = TurnSpec(id: 1)
        spec.hasLogprobs = true
        spec.hasTokenIDs = true
        spec.eventBytes = 1000
        #expect(ReplyTemplates(.init(spec), isChunked: false).token.length == 1000)
    }

    @Test func plansAreTheSameForTheSameSeed() {
        let mix = TurnMix(pauses: 10, leaves: 30, faults: 20, unary: 10, events: 5...50, seed: 3)
        for agent in 0..<20 {
            let (one, other) = (mix.plan(agent: agent, turn: 2, id: 1), mix.plan(agent: agent, turn: 2, id: 1))
            #expect(one.spec == other.spec)
            #expect(one.conduct == other.conduct)
        }
    }

    @Test func percentiles() {
        var histogram = Histogram()
        for value in 1...100_000 { histogram.record(UInt64(value)) }
        for share in [0.5, 0.9, 0.99, 0.999] {
            let (found, exact) = (Double(histogram.percentile(share)), share * 100_000)
            #expect(found >= exact && found <= exact * (1 + 1.0 / 64) + 1)
        }
        #expect(histogram.percentile(1) == 100_000)
        #expect(Histogram().percentile(0.5) == 0)
    }

    @Test func theWheelCallsWhenTimeHasCome() {
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
