import Synchronization
import VerbatimJSON

/// Limits how many sessions agents may begin, so that none of them fills the table that numbers the turns of all.
///
/// A key that is bound to a session may begin a number of sessions below it, those of its sub-agents. If there are such
/// keys, all other agents together may fill half of the table. Sessions count from the start of the proxy.
final class SessionQuota: Sendable {
    /// Whose sessions are counted together.
    enum Owner: Hashable {
        /// The key that is bound to this session.
        case key(boundTo: String)
        /// All keys that are bound to no session, and agents without a key.
        case unbound
    }

    fileprivate struct Count {
        var begun = 0
        /// Turns that were refused because they would have begun another session.
        var refused = 0
    }

    fileprivate struct State {
        /// Hashes of the names, which take less memory than the names.
        var known: Set<Int> = []
        var counts: [Owner: Count] = [:]
        var refused = 0
    }

    /// Most owners in a report.
    private static let reported = 32
    /// Half of what a trace numbers.
    static let usualLimitOfUnbound = 500_000

    private let limitPerKey: Int
    private let limitOfUnbound: Int
    private let state = Mutex(State())

    /// - Parameter limitOfUnbound: For all agents without a bound key together; nil for no limit.
    init(limitPerKey: Int, limitOfUnbound: Int?) {
        self.limitPerKey = limitPerKey
        self.limitOfUnbound = limitOfUnbound ?? .max
    }

    /// Counts a session, unless it has begun before.
    ///
    /// - Returns: False if its owner may not begin another one. The turn is refused then.
    func admit(_ session: String, of owner: Owner) -> Bool {
        // The session that a key is bound to is not one that its agent has chosen.
        if case .key(session) = owner { return true }
        return state.withLock { state in
            if state.known.contains(session.hashValue) { return true }
            let limit = owner == .unbound ? limitOfUnbound : limitPerKey
            guard state.counts[owner, default: Count()].begun < limit else {
                state.refuse(owner)
                return false
            }
            state.known.insert(session.hashValue)
            state.counts[owner, default: Count()].begun += 1
            return true
        }
    }

    /// The sink could not hold the session although it was admitted.
    func withdraw(_ session: String, of owner: Owner) {
        if case .key(session) = owner { return }
        state.withLock { state in
            if state.known.remove(session.hashValue) != nil { state.counts[owner]?.begun -= 1 }
            state.refuse(owner)
        }
    }

    /// Writes how many turns were refused, and whose sessions there are most of. Writes nothing if none was refused.
    ///
    /// - Parameter namesSessions: Whether the client may see names of sessions.
    func write(to json: inout JSONWriter, namesSessions: Bool) {
        let state = state.withLock { $0 }
        if state.refused == 0 { return }
        json.member("sessions_refused", state.refused)
        guard namesSessions else { return }
        let most = state.counts.sorted { $0.value.begun > $1.value.begun }.prefix(Self.reported)
        json.array("session_owners") { json in
            for (owner, count) in most {
                json.object { json in
                    if case .key(let session) = owner { json.member("key_of", session) }
                    json.member("sessions", count.begun)
                    json.member("refused", count.refused)
                }
            }
        }
    }
}

extension SessionQuota.State {
    fileprivate mutating func refuse(_ owner: SessionQuota.Owner) {
        refused += 1
        counts[owner, default: SessionQuota.Count()].refused += 1
    }
}
