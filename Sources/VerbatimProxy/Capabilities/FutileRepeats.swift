import NIOCore

/// Failures that a repeat without the injection has shown to have another cause. The same failure is not repeated again
/// for some time: an engine that is down must not get every request twice.
struct FutileRepeats {
    private struct Key: Hashable {
        let capability: CapabilityKey
        let session: String
        let status: Int
    }

    private struct Pause {
        var count: Int
        var end: NIODeadline
        var expiry: NIODeadline
    }

    private var pauses: [Key: Pause] = [:]
    private let capacity: Int
    private let lifetime: TimeAmount

    init(capacity: Int, lifetime: TimeAmount) {
        self.capacity = capacity
        self.lifetime = lifetime
    }

    mutating func note(status: Int, for key: SessionVerdicts.Key, at now: NIODeadline) {
        let key = Key(capability: key.capability, session: key.session, status: status)
        let count = (pauses[key]?.count ?? 0) + 1
        let end = now + min(lifetime, .seconds(30) * Int64(1 << min(count - 1, 6)))
        pauses.makeRoom(for: key, capacity: capacity, expiry: \.expiry)
        pauses[key] = Pause(count: count, end: end, expiry: end + lifetime)
    }

    /// The statuses of the failures that are not worth a repeat now: the session's own, and those of the engine itself
    /// that several sessions have met. One session may provoke them.
    func statuses(for key: SessionVerdicts.Key, at now: NIODeadline) -> [Int] {
        if pauses.isEmpty { return [] }
        var found: [Int] = []
        var sessions: [Int: Int] = [:]
        for (pause, value) in pauses where pause.capability == key.capability && value.end > now {
            sessions[pause.status, default: 0] += 1
            let isShared = EngineError.isOfEngine(pause.status) && sessions[pause.status, default: 0] > 1
            if pause.session == key.session || isShared { found.append(pause.status) }
        }
        return found
    }

    mutating func forget(_ key: CapabilityKey) {
        if !pauses.isEmpty { pauses = pauses.filter { $0.key.capability != key } }
    }
}
