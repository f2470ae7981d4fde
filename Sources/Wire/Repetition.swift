import JSONBytes

/// Whether instalments repeat the one before, as those of an event that was sent twice do.
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
        // A model that repeats itself is nearly certain: the few numbers next to 0 come again and again.
        guard value.range.count > 6, !Self.isNearZero(value, in: text) else { return }
        current.append(copying: text, value.range)
        if let token { current.append(copying: text, token.quoted) }
    }

    mutating func end() {
        if entries == 0 { return }
        if !current.isEmpty && current == previous { count += entries }
        swap(&previous, &current)
    }

    /// Whether a number's size is below a thousandth.
    private static func isNearZero(_ value: JSONValue, in text: Span<UInt8>) -> Bool {
        var places = 0
        var isFraction = false
        var isSmall = true
        var index = value.range.lowerBound
        while index < value.range.upperBound {
            let byte = text[index]
            index += 1
            switch byte {
            case UInt8(ascii: "."): isFraction = true
            case UInt8(ascii: "0"): places += isFraction ? 1 : 0
            case UInt8(ascii: "1")...UInt8(ascii: "9"):
                places += isFraction ? 1 : 0
                if places <= 3 { isSmall = false }
            case UInt8(ascii: "e"), UInt8(ascii: "E"):
                return index < value.range.upperBound && text[index] == UInt8(ascii: "-")
            default: break
            }
        }
        return isSmall
    }
}
