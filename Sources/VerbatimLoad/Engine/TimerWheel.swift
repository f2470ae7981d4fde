import NIOCore

/// Many timers that share a single timer of the event loop. Those due in the same tick fire together.
final class TimerWheel {
    private static let slotCount = 1024

    private let loop: any EventLoop
    private var slots: [[(due: UInt64, action: Action)]] = Array(repeating: [], count: slotCount)
    private var count = 0
    /// In nanoseconds.
    private let tick: UInt64
    /// The last tick whose timers have fired.
    private var current: UInt64
    /// The event loop's timer, and its tick.
    private var next: (due: UInt64, task: Scheduled<Void>)?
    private var isTurning = false

    typealias Action = () -> Void

    private let now: () -> NIODeadline

    init(
        loop: any EventLoop, tick: TimeAmount = .milliseconds(1), now: @escaping () -> NIODeadline = NIODeadline.now
    ) {
        self.loop = loop
        self.tick = UInt64(tick.nanoseconds)
        self.now = now
        current = 0
        current = ticks(now())
    }

    func schedule(at due: NIODeadline, _ action: @escaping Action) {
        if count == 0 && !isTurning { current = ticks(now()) }
        let due = max(ticks(due), current + 1)
        slots[Int(due) % Self.slotCount].append((due, action))
        count += 1
        if !isTurning { comeBack(at: due) }
    }

    private func comeBack(at due: UInt64) {
        if let next {
            if next.due <= due { return }
            next.task.cancel()
        }
        // An event loop runs everything that is due before it reads its sockets. A late wheel must not prevent that.
        let deadline = max(.uptimeNanoseconds(due * tick), now() + EngineLoop.breath)
        next = (due, loop.assumeIsolated().scheduleTask(deadline: deadline) { self.turn() })
    }

    private func turn() {
        next = nil
        isTurning = true
        let end = ticks(now())
        while current < end && count > 0 {
            current += 1
            let slot = Int(current) % Self.slotCount
            if slots[slot].isEmpty { continue }
            let waiting = slots[slot]
            slots[slot] = []
            for entry in waiting {
                if entry.due > current {
                    slots[slot].append(entry)
                } else {
                    count -= 1
                    entry.action()
                }
            }
        }
        isTurning = false
        if count == 0 { return }
        var next = current + 1
        while next < current + UInt64(Self.slotCount), slots[Int(next) % Self.slotCount].isEmpty { next += 1 }
        comeBack(at: next)
    }

    private func ticks(_ time: NIODeadline) -> UInt64 { time.uptimeNanoseconds / tick }
}
