import NIOCore

/// How many alternatives for each token engines give, by model: the limit is the engine's, whatever the API.
struct AlternativeLimits {
    private struct Entry {
        /// What the engine has allowed at most when it rejected more.
        var limit: Int?
        /// What it has accepted.
        var accepted: Int?
        var expiry: NIODeadline
    }

    private var entries: [String: Entry] = [:]
    private let capacity: Int
    private let lifetime: TimeAmount

    init(capacity: Int, lifetime: TimeAmount) {
        self.capacity = capacity
        self.lifetime = lifetime
    }

    mutating func note(limit: Int?, accepted: Int?, of model: String, at now: NIODeadline) {
        if limit == nil && accepted == nil { return }
        var entry = Entry(expiry: now + lifetime)
        if let known = entries[model], known.expiry > now {
            entry.limit = known.limit
            entry.accepted = known.accepted
            if known.limit != nil { entry.expiry = known.expiry }
        }
        if let limit {
            entry.limit = limit
            entry.expiry = now + lifetime
        }
        if let accepted {
            entry.accepted = max(accepted, entry.accepted ?? accepted)
            if let known = entry.limit, accepted > known { entry.limit = nil }
        }
        entries.makeRoom(for: model, capacity: capacity, expiry: \.expiry)
        entries[model] = entry
    }

    func limit(of model: String, at now: NIODeadline) -> Int? {
        entries[model].flatMap { $0.expiry > now ? $0.limit : nil }
    }

    /// The most that is known to work; nil if nothing is.
    func proven(of model: String, at now: NIODeadline) -> Int? {
        entries[model].flatMap { $0.expiry > now ? $0.limit ?? $0.accepted : nil }
    }

    mutating func forget(model: String) { entries[model] = nil }
}
