/// The fields of an event that matter: its name, and the ranges of its data.
package struct EventFields: Sendable {
    /// The value of the last `event` field; nil if it is empty or missing, which means the default, `message`.
    package private(set) var name: Range<Int>?

    /// The value of the first `data` field, and those of further ones, which are rare. A reader joins them with `\n`.
    package private(set) var data: Range<Int>?
    package private(set) var furtherData: [Range<Int>] = []

    /// Reads the fields of one event as an ``EventSplitter`` returns it. The blank line may be missing.
    package init(of event: Span<UInt8>) {
        var start = 0
        while start < event.count {
            var end = nextLineBreak(in: event, from: start)
            readLine(start..<end, of: event)
            if end + 1 < event.count, event[end] == 0x0D, event[end + 1] == 0x0A { end += 1 }
            start = end + 1
        }
    }

    private mutating func readLine(_ line: Range<Int>, of event: Span<UInt8>) {
        var colon = line.lowerBound
        while colon < line.upperBound, event[colon] != UInt8(ascii: ":") { colon += 1 }
        let field = line.lowerBound..<colon
        var valueStart = min(colon + 1, line.upperBound)
        if valueStart < line.upperBound, event[valueStart] == UInt8(ascii: " ") { valueStart += 1 }
        let value = valueStart..<line.upperBound
        if Self.equals(field, "data", in: event) {
            if data == nil { data = value } else { furtherData.append(value) }
        } else if Self.equals(field, "event", in: event) {
            name = value.isEmpty ? nil : value
        }
    }

    private static func equals(_ range: Range<Int>, _ expected: StaticString, in event: Span<UInt8>) -> Bool {
        guard range.count == expected.utf8CodeUnitCount else { return false }
        return expected.withUTF8Buffer { wanted in
            for index in 0..<wanted.count where event[range.lowerBound + index] != wanted[index] { return false }
            return true
        }
    }
}
