import NIOCore

/// Turns in a row, of one session and kind, that were captured below the required level although the engine rejects
/// nothing.
///
/// After two, the session's turns of that kind are refused, but for one now and then, which shows whether the engine
/// still ignores the injection.
struct CaptureShortfalls {
    private struct Count {
        var shortfalls: Int
        /// Refused since the last turn that was let through.
        var refused = 0
        /// When a turn is let through again.
        var nextTrial: NIODeadline
    }

    /// So many shortfalls in a row show that the engine ignores the injection.
    private static let hopeless = 2
    /// How long turns are refused before one is let through.
    private static let trialPause: TimeAmount = .seconds(30)
    /// How many turns are refused before one is let through, however soon they come.
    private static let refusalsPerTrial = 7

    private var counts: [SessionVerdicts.Key: Count] = [:]
    private let capacity: Int

    init(capacity: Int) { self.capacity = capacity }

    /// Whether a turn is to be refused. Counts the refusals, so each turn asks once.
    mutating func refuses(_ key: SessionVerdicts.Key, at now: NIODeadline) -> Bool {
        guard var count = counts[key], count.shortfalls >= Self.hopeless else { return false }
        let isTrial = count.nextTrial <= now || count.refused >= Self.refusalsPerTrial
        if isTrial {
            count.refused = 0
            count.nextTrial = now + Self.trialPause
        } else {
            count.refused += 1
        }
        counts[key] = count
        return !isTrial
    }

    mutating func note(isMet: Bool, for key: SessionVerdicts.Key, at now: NIODeadline) {
        if isMet {
            counts[key] = nil
            return
        }
        counts.makeRoom(for: key, capacity: capacity, expiry: \.nextTrial)
        let shortfalls = counts[key]?.shortfalls ?? 0
        counts[key] = Count(shortfalls: min(shortfalls, 1) + 1, nextTrial: now + Self.trialPause)
    }

    mutating func forget(model: String) { counts = counts.filter { $0.key.capability.model != model } }
}
