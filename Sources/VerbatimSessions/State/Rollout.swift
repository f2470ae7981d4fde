package import VerbatimJSON

/// The state of one rollout: what may begin, what was used, and what is sealed. A value without I/O.
package struct Rollout: Sendable {
    package enum Phase: Hashable, Sendable {
        case open
        /// No turn may begin any more; those that run are waited for.
        case sealing
        case sealed(Snapshot)
        /// Its files are being removed.
        case deleting
    }

    /// Whether a turn may begin.
    package enum Admission: Hashable, Sendable {
        /// - `maximumTokens`: what the turn may generate; nil for no limit.
        case admitted(maximumTokens: Int?, deadline: Double?)
        /// The rollout is sealed or being sealed. The call counts as late.
        case late
        /// The key's time is over.
        case expired
        case budget(Budgets.Excess)
    }

    package let id: String
    /// Unix time in seconds; nil for a rollout that no one has opened, which began with its first turn.
    package let created: Double?
    package let terms: RolloutTerms
    /// The SHA-256 of its key, in hexadecimal digits.
    package let keyHash: String?
    package private(set) var phase: Phase
    package private(set) var use: RolloutUse
    package private(set) var annotations: Annotations
    /// Turns that have begun and have no record yet.
    package private(set) var running = 0
    /// Calls that came after the seal.
    package private(set) var late: Int

    package init(
        id: String, created: Double?, terms: RolloutTerms = RolloutTerms(), keyHash: String? = nil,
        phase: Phase = .open, use: RolloutUse = RolloutUse(), annotations: Annotations = Annotations(), late: Int = 0
    ) {
        self.id = id
        self.created = created
        self.terms = terms
        self.keyHash = keyHash
        self.phase = phase
        self.use = use
        self.annotations = annotations
        self.late = late
    }

    // MARK: Turns

    package mutating func begin(at now: Double) -> Admission {
        guard phase == .open else {
            late += 1
            return .late
        }
        if let lifetime = terms.lifetime, let created, now - created >= lifetime { return .expired }
        let begun = use.turns + running
        if let excess = terms.budgets?.excess(of: use, begun: begun, at: now) { return .budget(excess) }
        running += 1
        use.noteCall(at: now)
        return .admitted(
            maximumTokens: terms.budgets?.completionTokensLeft(of: use), deadline: terms.budgets?.deadline(of: use))
    }

    /// A turn has ended.
    ///
    /// - Parameter turn: nil if it left no record.
    package mutating func end(_ turn: TurnUse?) {
        running -= 1
        if let turn { use.add(turn) }
    }

    // MARK: What the trainer does

    package mutating func annotate(_ body: [UInt8], at now: Double) throws(SessionsError) {
        try annotations.set(body, at: now)
    }

    mutating func replace(_ annotations: Annotations) { self.annotations = annotations }

    package mutating func startSealing() { if phase == .open { phase = .sealing } }

    /// Sealing was given up, because turns still run.
    package mutating func stopSealing() { if phase == .sealing { phase = .open } }

    package mutating func seal(_ snapshot: Snapshot) { phase = .sealed(snapshot) }

    /// - Parameters:
    ///   - snapshot: The id of what the trainer has read.
    ///   - isForced: Whether it goes whatever it holds.
    package mutating func startDeleting(snapshot: String?, isForced: Bool) throws(SessionsError) {
        if phase == .deleting { throw .notFound }
        if isForced && snapshot == nil {
            guard running == 0 else {
                throw SessionsError(
                    .conflict, code: "session_busy",
                    message: "\(running) turns are running: seal the session with mode abort before")
            }
        } else {
            guard let snapshot else {
                throw .invalid("name the snapshot_id that has been read, or set force=true")
            }
            guard case .sealed(let sealed) = phase, sealed.id == snapshot else {
                throw SessionsError(
                    .preconditionFailed, code: "snapshot_mismatch",
                    message: "the session's snapshot is not the one that was named: read it again")
            }
        }
        phase = .deleting
    }

    /// The same rollout with what its turns have used.
    func with(_ use: RolloutUse) -> Rollout {
        var rollout = self
        rollout.use = use
        return rollout
    }

    // MARK: Views

    package var stateName: String {
        switch phase {
        case .open, .sealing: "open"
        case .sealed, .deleting: late > 0 ? "late" : "sealed"
        }
    }

    package var snapshot: Snapshot? { if case .sealed(let snapshot) = phase { snapshot } else { nil } }

    /// Writes what a list says of the rollout: what is known without reading its turns.
    package func writeSummary(to json: inout JSONWriter) {
        json.member("session_id", id)
        json.member("state", stateName)
        if let created { json.member("created_at", seconds: created) }
        if let metadata = terms.metadata { json.member("metadata", normalizing: metadata) }
        if let reward = annotations.value("reward") {
            json.key("reward")
            json.raw(reward)
        }
        if let snapshot { json.object("snapshot") { snapshot.writeMembers(to: &$0) } }
    }

    /// Writes the members of the API's session object.
    package func writeMembers(at now: Double, to json: inout JSONWriter) {
        json.member("session_id", id)
        json.member("state", stateName)
        if let created { json.member("created_at", seconds: created) }
        terms.write(to: &json)
        use.writeMembers(to: &json)
        json.member("in_flight", running)
        if let last = use.lastCall { json.member("idle_s", seconds: running > 0 ? 0 : max(0, now - last)) }
        terms.budgets?.writeLeft(of: use, begun: use.turns + running, at: now, to: &json)
        json.member("late", late)
        if let reward = annotations.value("reward") {
            json.key("reward")
            json.raw(reward)
        }
        annotations.writeLatest(to: &json)
        if let snapshot { json.object("snapshot") { snapshot.writeMembers(to: &$0) } }
    }
}
