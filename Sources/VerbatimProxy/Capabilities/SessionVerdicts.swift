import NIOCore
import VerbatimAPI

/// What the turns of single sessions have found to be rejected.
///
/// An agent can provoke a rejection, by its words or by fields that do not go with the injection. So what is only
/// presumed holds for the session that found it, and for all once a second session has found it, too.
struct SessionVerdicts {
    struct Key: Hashable {
        let capability: CapabilityKey
        let session: String
    }

    private struct Verdict {
        let limits: InjectionLimits
        let standing: CachedCapability.Standing
        /// How often it has been found.
        var count: Int
        /// Until then the session's turns inject less.
        var end: NIODeadline
        /// Until then it is remembered.
        var expiry: NIODeadline
        /// A turn has succeeded without what is said to be rejected.
        var isConfirmed: Bool
    }

    private var verdicts: [Key: Verdict] = [:]
    private let capacity: Int
    private let lifetime: TimeAmount

    init(capacity: Int, lifetime: TimeAmount) {
        self.capacity = capacity
        self.lifetime = lifetime
    }

    /// How long a first verdict counts.
    private var firstLifetime: TimeAmount { min(lifetime, .seconds(30)) }

    func capability(for key: Key, at now: NIODeadline) -> CachedCapability? {
        if verdicts.isEmpty { return nil }
        guard let verdict = verdicts[key], verdict.end > now else { return nil }
        return CachedCapability(
            limits: verdict.limits, accepted: Injection(), expiry: verdict.end, standing: verdict.standing)
    }

    /// The engine has rejected an injection, and it is not known yet whether it accepts what is left.
    mutating func reject(leaving limits: InjectionLimits, for key: Key, at now: NIODeadline) {
        let known = verdicts[key]
        if let known, known.end > now { return }
        store(
            Verdict(
                limits: limits, standing: .tentative, count: known?.count ?? 0, end: now + firstLifetime,
                expiry: now + lifetime, isConfirmed: false),
            for: key)
    }

    /// The turn that was rejected, or one that injected less for that reason, has failed as well.
    mutating func dropUnconfirmed(for key: Key, at now: NIODeadline) {
        guard let known = verdicts[key], !known.isConfirmed else { return }
        verdicts[key] = nil
    }

    /// A turn has failed with the injection.
    ///
    /// - Parameter isLate: The turn could not be repeated, so that nothing has succeeded yet. Each further test would
    ///   cost the agent a reply, so that a second such failure counts for long.
    /// - Returns: Whether another session has found the same.
    mutating func presume(_ limits: InjectionLimits, isLate: Bool, for key: Key, at now: NIODeadline) -> Bool {
        let count = (verdicts[key]?.count ?? 0) + 1
        let wait = isLate && count > 1 ? lifetime : firstLifetime * Int64(1 << min(count - 1, 6))
        store(
            Verdict(
                limits: limits, standing: isLate ? .late : .own, count: count, end: now + min(lifetime, wait),
                expiry: now + lifetime * 2, isConfirmed: !isLate),
            for: key)
        return !isLate && isSeconded(key, at: now)
    }

    /// A turn that injected less because of a late failure has succeeded.
    ///
    /// - Returns: What is left for all, if another session has found the same.
    mutating func confirm(for key: Key, at now: NIODeadline) -> InjectionLimits? {
        guard let known = verdicts[key], known.end > now, !known.isConfirmed, known.standing == .late else {
            return nil
        }
        verdicts[key]?.isConfirmed = true
        return isSeconded(key, at: now) ? known.limits : nil
    }

    /// The engine has accepted what the session took to be rejected.
    mutating func forget(_ key: Key) {
        if !verdicts.isEmpty { verdicts[key] = nil }
    }

    /// Another version of the engine may accept what the last one rejected.
    mutating func forget(model: String) {
        if !verdicts.isEmpty { verdicts = verdicts.filter { $0.key.capability.model != model } }
    }

    private func isSeconded(_ key: Key, at now: NIODeadline) -> Bool {
        verdicts.contains { other, verdict in
            other.capability == key.capability && other.session != key.session && verdict.isConfirmed
                && verdict.expiry > now
        }
    }

    private mutating func store(_ verdict: Verdict, for key: Key) {
        verdicts.makeRoom(for: key, capacity: capacity, expiry: \.expiry)
        verdicts[key] = verdict
    }
}
