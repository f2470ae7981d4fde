import NIOCore
import NIOEmbedded
import Testing
import VerbatimTesting

@testable import VerbatimHTTP

/// A clock that is the time of an embedded event loop, and counts how often a timer is set.
private final class LoopClock {
    let loop = EmbeddedEventLoop()
    private let counter = Monitor(0)
    private(set) var clock = HTTPClock.system

    init() {
        let (loop, counter) = (loop, counter)
        clock = HTTPClock {
            loop.now
        } schedule: { deadline, _, task in
            counter.update { $0 += 1 }
            let scheduled = loop.assumeIsolated().scheduleTask(deadline: deadline, task)
            return HTTPClock.Timer { scheduled.cancel() }
        }
    }

    var timersSet: Int { counter.state }

    func advance(by time: TimeAmount) { loop.advanceTime(by: time) }
}

@Suite("A timer that is moved only if it would be late")
struct LazyTimerTests {
    private let time = LoopClock()

    /// The deadlines that were reached, in seconds since the start.
    private func run(_ body: (LazyTimer) -> Void) -> [Int64] {
        let start = time.loop.now
        var reached: [Int64] = []
        let timer = LazyTimer(clock: time.clock, loop: time.loop) {
            reached.append((time.loop.now - start).nanoseconds / 1_000_000_000)
        }
        body(timer)
        return reached
    }

    @Test("A deadline is reached once, not before its time")
    func reachesADeadline() {
        let reached = run { timer in
            timer.deadline = time.loop.now + .seconds(5)
            time.advance(by: .milliseconds(4999))
            #expect(timer.deadline < .distantFuture)
            time.advance(by: .seconds(60))
            #expect(timer.deadline == .distantFuture)
        }
        #expect(reached == [5])
    }

    @Test("Later deadlines set no further timer until the first one fires")
    func laterDeadlinesCostNothing() {
        let reached = run { timer in
            for _ in 0..<100 {
                timer.deadline = time.loop.now + .seconds(5)
                time.advance(by: .milliseconds(10))
            }
            #expect(time.timersSet == 1)
            time.advance(by: .seconds(60))
            #expect(time.timersSet == 2)
        }
        #expect(reached == [5])
    }

    @Test("An earlier deadline moves the timer")
    func anEarlierDeadlineCounts() {
        let reached = run { timer in
            timer.deadline = time.loop.now + .seconds(50)
            timer.deadline = time.loop.now + .seconds(5)
            time.advance(by: .seconds(60))
        }
        #expect(reached == [5])
    }

    @Test("A deadline that is taken back is not reached")
    func aDeadlineIsTakenBack() {
        let reached = run { timer in
            timer.deadline = time.loop.now + .seconds(5)
            timer.deadline = .distantFuture
            time.advance(by: .seconds(60))
            timer.deadline = time.loop.now + .seconds(5)
            timer.stop()
            time.advance(by: .seconds(60))
        }
        #expect(reached == [])
        #expect(time.timersSet == 2)
    }
}

@Suite("The times that a connection waits for its client")
struct ConnectionTimerTests {
    private let time = LoopClock()

    private func run(_ body: (ConnectionTimer) -> Void) -> [ConnectionTimer.Wait] {
        var timeouts: [ConnectionTimer.Wait] = []
        var limits = ConnectionTimer.Limits()
        limits.head = .seconds(10)
        limits.body = .seconds(20)
        limits.nextRequest = .seconds(30)
        limits.lastResponse = .seconds(40)
        let timer = ConnectionTimer(clock: time.clock, loop: time.loop, limits: limits) { timeouts.append($0) }
        body(timer)
        return timeouts
    }

    @Test(
        "Each wait has its limit",
        arguments: [
            (ConnectionTimer.Wait.firstByte, 10), (.head, 10), (.body, 20), (.nextRequest, 30), (.lastResponse, 40),
            (.errorResponse, 30),
        ] as [(ConnectionTimer.Wait, Int64)])
    func limits(wait: ConnectionTimer.Wait, seconds: Int64) {
        let timeouts = run { timer in
            timer.start(wait)
            time.advance(by: .seconds(seconds) - .nanoseconds(1))
            #expect(timer.wait == wait)
            time.advance(by: .nanoseconds(1))
            #expect(timer.wait == .nothing)
        }
        #expect(timeouts == [wait])
    }

    @Test("The time of the first head includes that of its first byte")
    func theHeadIncludesItsFirstByte() {
        let timeouts = run { timer in
            timer.start(.firstByte)
            time.advance(by: .seconds(9))
            timer.start(.head)
            time.advance(by: .seconds(1))
        }
        #expect(timeouts == [.head])
    }

    @Test("A wait that is started again continues")
    func startingAgainContinues() {
        let timeouts = run { timer in
            timer.start(.body)
            time.advance(by: .seconds(15))
            timer.start(.body)
            time.advance(by: .seconds(5))
        }
        #expect(timeouts == [.body])
    }

    @Test("Another wait begins anew, and waiting for nothing has no limit")
    func anotherWaitBeginsAnew() {
        let timeouts = run { timer in
            timer.start(.nextRequest)
            time.advance(by: .seconds(25))
            timer.start(.head)
            time.advance(by: .seconds(9))
            timer.start(.nothing)
            time.advance(by: .hours(1))
            timer.start(.nextRequest)
            timer.stop()
            time.advance(by: .hours(1))
        }
        #expect(timeouts == [])
    }
}

@Suite("The times that an exchange may take")
struct ExchangeTimerTests {
    private let time = LoopClock()

    @Test("The total limit counts from the start, whatever the upstream sends")
    func total() {
        let timer = ExchangeTimer(clock: time.clock, loop: time.loop)
        var timeouts: [ExchangeTimer.Timeout] = []
        timer.start(.init(total: .seconds(10), silence: nil)) {
            true
        } onTimeout: {
            timeouts.append($0)
        }
        for _ in 0..<12 {
            time.advance(by: .seconds(1))
            timer.touch(at: time.loop.now)
        }
        #expect(timeouts == [.total(.seconds(10))])
    }

    @Test("Silence counts only while the upstream is expected to send", arguments: [true, false])
    func silence(isListening: Bool) {
        let timer = ExchangeTimer(clock: time.clock, loop: time.loop)
        var timeouts: [ExchangeTimer.Timeout] = []
        timer.start(.init(total: .hours(1), silence: .seconds(10))) {
            isListening
        } onTimeout: {
            timeouts.append($0)
        }
        time.advance(by: .seconds(9))
        timer.touch(at: time.loop.now)
        time.advance(by: .seconds(9))
        #expect(timeouts == [])
        time.advance(by: .seconds(60))
        #expect(timeouts == (isListening ? [.silence(.seconds(10))] : []))
    }

    @Test("An exchange that has ended does not limit the next")
    func theNextExchangeHasItsOwnTime() {
        let timer = ExchangeTimer(clock: time.clock, loop: time.loop)
        var timeouts: [ExchangeTimer.Timeout] = []
        for _ in 0..<5 {
            timer.start(.init(total: .seconds(10), silence: .seconds(8))) {
                true
            } onTimeout: {
                timeouts.append($0)
            }
            time.advance(by: .seconds(7))
            timer.cancel()
        }
        time.advance(by: .hours(1))
        #expect(timeouts == [])
        timer.start(.init(total: .seconds(10), silence: nil)) {
            true
        } onTimeout: {
            timeouts.append($0)
        }
        time.advance(by: .seconds(10))
        #expect(timeouts == [.total(.seconds(10))])
    }

    @Test("The message names the limit and its flag")
    func messages() {
        #expect(
            ExchangeTimer.Timeout.total(.seconds(600)).message
                == "the upstream did not finish its response within 600 s (--request-timeout)")
        #expect(
            ExchangeTimer.Timeout.silence(.milliseconds(250)).message
                == "the upstream sent nothing for 0.25 s (--idle-timeout)")
    }
}
