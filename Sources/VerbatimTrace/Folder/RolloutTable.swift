/// The rollouts whose turn numbers are in memory. Decides what the folder must do, and does no I/O.
struct RolloutTable: Sendable {
    typealias Waiter = @Sendable (TraceError?) -> Void

    private struct Slot {
        /// nil while the file is opened, read or removed.
        var recorder: TraceRecorder?
        /// The numbers of a rollout that rests hold only if its file is still what it was: it must be opened.
        var isResting = false
        var lastUse: Int
        var waiters: [Waiter] = []
        /// Records that came before the file was open.
        var held: [RecordSubmission] = []

        var ready: TraceRecorder? { isResting ? nil : recorder }
    }

    /// What the caller must do to open a rollout.
    enum Opening {
        case ready
        /// Nothing: the waiter is called when it is open.
        case waits
        /// Open the file, unless it is still what it was when this recorder closed it; then call `finishOpening`.
        case start(resting: TraceRecorder?)
        /// Nothing: the rollout was removed, and some of its turns are still running.
        case isRemoved
    }

    /// What the caller must do to remove a rollout.
    enum Removal {
        /// Nothing: the waiter is called later, and must try again.
        case waits
        /// Close the recorder and remove the file, then call `finishRemoval`.
        case start(TraceRecorder?)
    }

    private(set) var isClosed = false

    private let maximumCount: Int
    /// In ticks.
    private let idleTime: Int
    private var slots: [String: Slot] = [:]
    /// The turns of removed rollouts that have no record yet, by session. Their records are not kept.
    private var strays: [String: [String: Set<Int>]] = [:]
    private var now = 0
    /// The number of rollouts at which the next search for ones to drop is worth its time.
    private var nextSearch: Int

    /// - Parameters:
    ///   - maximumCount: The number of rollouts beyond which those are dropped that no turn uses.
    ///   - idleTime: The number of ticks after which the file of an unused rollout is closed.
    init(maximumCount: Int, idleTime: Int) {
        self.maximumCount = maximumCount
        self.idleTime = max(1, idleTime)
        nextSearch = maximumCount + 1
    }

    var count: Int { slots.count }

    mutating func close() { isClosed = true }

    // MARK: Using

    /// The recorder of a rollout that is ready.
    func recorder(of rollout: String) -> TraceRecorder? { slots[rollout]?.ready }

    /// The recorders that may have a file open.
    var recorders: [TraceRecorder] { slots.values.compactMap(\.recorder) }

    mutating func nextTurn(inSession session: String, of rollout: String) -> TurnNumber {
        guard let recorder = use(rollout) else { return .unprepared }
        return recorder.nextTurn(inSession: session).map { .turn($0) } ?? .tooManySessions
    }

    /// The recorder of a rollout that is ready, which counts as used now.
    mutating func use(_ rollout: String) -> TraceRecorder? {
        guard let recorder = slots[rollout]?.ready else { return nil }
        slots[rollout]?.lastUse = now
        return recorder
    }

    /// Keeps records until the rollout is open.
    mutating func hold(_ submission: RecordSubmission, of rollout: String) -> Opening {
        let opening = startOpening(rollout)
        if case .isRemoved = opening { return opening }
        slots[rollout]?.held.append(submission)
        return opening
    }

    /// Adds a waiter if the rollout is not ready.
    mutating func prepare(_ rollout: String, _ waiter: @escaping Waiter) -> Opening {
        let opening = startOpening(rollout)
        switch opening {
        case .ready, .isRemoved: return opening
        case .waits, .start: break
        }
        slots[rollout]?.waiters.append(waiter)
        return opening
    }

    private mutating func startOpening(_ rollout: String) -> Opening {
        if !strays.isEmpty, strays[rollout] != nil { return .isRemoved }
        guard let slot = slots[rollout] else {
            slots[rollout] = Slot(lastUse: now)
            return .start(resting: nil)
        }
        guard let recorder = slot.recorder else { return .waits }
        slots[rollout]?.lastUse = now
        guard slot.isResting else { return .ready }
        slots[rollout]?.recorder = nil
        slots[rollout]?.isResting = false
        return .start(resting: recorder)
    }

    /// What is to be called and done after a rollout was opened, or could not be.
    struct Finish {
        var waiters: [Waiter] = []
        var held: [RecordSubmission] = []
    }

    /// - Parameter recorder: nil if the rollout could not be opened. The held records cannot be kept then.
    mutating func finishOpening(_ rollout: String, with recorder: TraceRecorder?) -> Finish {
        let slot = slots[rollout]
        slots[rollout] = recorder.map { Slot(recorder: $0, lastUse: now) }
        return Finish(waiters: slot?.waiters ?? [], held: slot?.held ?? [])
    }

    // MARK: Removing

    /// Takes the rollout out of use. The waiter is called only if it must wait.
    mutating func startRemoval(of rollout: String, _ waiter: @escaping Waiter) -> Removal {
        guard let slot = slots[rollout] else {
            slots[rollout] = Slot(lastUse: now)
            return .start(nil)
        }
        guard let recorder = slot.recorder else {
            slots[rollout]?.waiters.append(waiter)
            return .waits
        }
        slots[rollout]?.recorder = nil
        slots[rollout]?.isResting = false
        let running = recorder.unfinishedTurns
        if !running.isEmpty { strays[rollout] = running }
        return .start(recorder)
    }

    /// Whether this is the record of a turn whose rollout was removed meanwhile. It is so once.
    mutating func takeStray(_ record: TurnRecord) -> Bool {
        guard !strays.isEmpty,
            strays[record.rolloutID]?[record.sessionID]?.remove(record.turn) != nil
        else { return false }
        if strays[record.rolloutID]?.values.allSatisfy(\.isEmpty) ?? false { strays[record.rolloutID] = nil }
        return true
    }

    /// Returns whether the rollout must be opened again, for those that wait for it.
    mutating func finishRemoval(of rollout: String) -> Bool {
        guard let slot = slots[rollout], !slot.waiters.isEmpty || !slot.held.isEmpty else {
            slots[rollout] = nil
            return false
        }
        return true
    }

    /// Adds a waiter if the rollout is being opened or removed. Returns whether it was.
    mutating func wait(for rollout: String, _ waiter: @escaping Waiter) -> Bool {
        guard let slot = slots[rollout], slot.recorder == nil else { return false }
        slots[rollout]?.waiters.append(waiter)
        return true
    }

    // MARK: Releasing

    /// Counts a tick. Returns the recorders whose files are to be closed.
    mutating func tick() -> [TraceRecorder] {
        now += 1
        guard now.isMultiple(of: max(1, idleTime / 4)) else { return [] }
        var leaving: [TraceRecorder] = []
        for (rollout, slot) in slots where now - slot.lastUse >= idleTime {
            guard let recorder = slot.ready, recorder.isIdle else { continue }
            slots[rollout]?.isResting = true
            leaving.append(recorder)
        }
        return leaving + drop()
    }

    /// If there are too many rollouts: forgets some that no turn has used for longest. Returns the recorders whose files
    /// are to be closed.
    mutating func drop() -> [TraceRecorder] {
        guard slots.count >= nextSearch else { return [] }
        var leaving: [TraceRecorder] = []
        // One that was prepared a moment ago may be waited for.
        let unused = slots.filter { $0.value.lastUse + 1 < now && $0.value.recorder?.isIdle ?? false }
        let excess = slots.count - maximumCount + maximumCount / 8
        for (rollout, slot) in unused.sorted(by: { $0.value.lastUse < $1.value.lastUse }).prefix(excess) {
            slots[rollout] = nil
            if let recorder = slot.ready { leaving.append(recorder) }
        }
        nextSearch = max(maximumCount, slots.count + maximumCount / 8) + 1
        return leaving
    }
}
