/// The sequence numbers of a stream's events. A number that comes again shows that an event was sent twice.
struct EventNumbers: Sendable {
    /// In ascending order. Engines count without gaps, so there is usually one range.
    private var seen: [ClosedRange<Int>] = []
    private var last: (number: Int, kind: ResponseEvent.Kind?)?
    private var isReliable = true
    /// Whether numbers between the lowest and the highest never came.
    var hasGap: Bool { isReliable && seen.count > 1 }
    /// The number of the event after the last; nil if the events have none.
    var next: Int? {
        guard let last else { return nil }
        // A server that does not count its events gives all the same.
        return isReliable ? max(last.number, seen.last?.upperBound ?? 0) + 1 : last.number
    }
    /// Highest number of ranges.
    private static let limit = 256

    /// Notes an event. Returns whether its number has been seen before.
    mutating func hasSeen(_ number: Int, _ kind: ResponseEvent.Kind?) -> Bool {
        guard isReliable else { return false }
        defer { last = (number, kind) }
        // Different events in a row with the same number: the server does not count its events.
        if let last, last.number == number, last.kind != kind {
            isReliable = false
            return false
        }
        guard let highest = seen.last, number <= highest.upperBound else {
            append(number)
            return false
        }
        let place = seen.lastIndex { $0.lowerBound <= number }
        if let place, seen[place].contains(number) { return true }
        if seen.count < Self.limit { seen.insert(number...number, at: place.map { $0 + 1 } ?? 0) }
        return false
    }

    private mutating func append(_ number: Int) {
        if let highest = seen.last, highest.upperBound == number - 1 {
            seen[seen.count - 1] = highest.lowerBound...number
        } else {
            if seen.count >= Self.limit { seen.removeFirst() }
            seen.append(number...number)
        }
    }
}
