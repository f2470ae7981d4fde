import NIOCore

/// Failures that a repeat without the injection has shown to have another cause. The same failure is not repeated again
/// for some time: an engine that is down must not get every request twice.
struct FutileRepeats {
    private struct Key: Hashable {
        let capability: CapabilityKey
        /// Nil for failures of the engine itself. Errors about the request are those of one session.
        let session: String?
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
        let isEngine = EngineError.isOfEngine(status)
        let key = Key(capability: key.capability, session: isEngine ? nil : key.session, status: status)
        let count = (pauses[key]?.count ?? 0) + 1
        let end = now + min(lifetime, .seconds(30) * Int64(1 << min(count - 1, 6)))
        pauses.makeRoom(for: key, capacity: capacity, expiry: \.expiry)
        pauses[key] = Pause(count: count, end: end, expiry: end + lifetime)
    }

    /// The statuses of the failures that are not worth a repeat now.
    func statuses(for key: SessionVerdicts.Key, at now: NIODeadline) -> [Int] {
        if pauses.isEmpty { return [] }
        return pauses.compactMap { pause in
            pause.key.capability == key.capability && pause.key.session ?? key.session == key.session
                && pause.value.end > now ? pause.key.status : nil
        }
    }

    mutating func forget(_ key: CapabilityKey) {
        if !pauses.isEmpty { pauses = pauses.filter { $0.key.capability != key } }
    }
}
