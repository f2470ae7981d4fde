import VerbatimJSON

/// Detects instalments that repeat the one before, as when an event was sent twice.
struct Repetition: Sendable {
    /// How many tokens came in such instalments.
    private(set) var count = 0
    private var previous: [UInt8] = []
    private var current: [UInt8] = []
    private var entries = 0

    mutating func begin() {
        current.removeAll(keepingCapacity: true)
        entries = 0
    }

    mutating func append(_ value: JSONValue, _ token: JSONString?, of text: Span<UInt8>) {
        entries += 1
        // A model that repeats itself is nearly certain of each token, so the same few numbers near 0 recur.
        guard value.range.count > 6, !Self.isNearZero(value, in: text) else { return }
        current.append(copying: text, value.range)
        if let token { current.append(copying: text, token.quoted) }
    }

    mutating func end() {
        if entries == 0 { return }
        if !current.isEmpty && current == previous { count += entries }
        swap(&previous, &current)
    }

    /// Whether the absolute value of a number is below 0.001.
    private static func isNearZero(_ value: JSONValue, in text: Span<UInt8>) -> Bool {
        if let exponent = value.exponent(in: text) {
            return exponent + 1 < value.range.upperBound && text[exponent + 1] == UInt8(ascii: "-")
        }
        var index = value.range.lowerBound
        if text[index] == UInt8(ascii: "-") { index += 1 }
        // Only zeros before the point and in the first three places after it.
        var places = -1
        while index < value.range.upperBound, places < 3 {
            switch text[index] {
            case UInt8(ascii: "."): places = 0
            case UInt8(ascii: "0"): places += places < 0 ? 0 : 1
            default: return false
            }
            index += 1
        }
        return true
    }
}
