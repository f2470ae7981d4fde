/// The sequence numbers of a stream's events: one that comes again tells of an event that was sent twice.
struct EventNumbers: Sendable {
    /// In ascending order. Engines count without gaps, so that there is one.
    private var seen: [ClosedRange<Int>] = []
    private var last: (number: Int, kind: ResponseEvent.Kind?)?
    private var isReliable = true
    /// Most gaps that are remembered.
    private static let limit = 256

    /// Takes note of an event; answers whether its number has been seen before.
    mutating func hasSeen(_ number: Int, _ kind: ResponseEvent.Kind?) -> Bool {
        guard isReliable else { return false }
        defer { last = (number, kind) }
        // Different events with the same number: the server does not count, but writes some number.
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
