import VerbatimJSON

/// The kind of an event's data.
enum EventData {
    case nothing
    /// `[DONE]`
    case done
    case document

    init(_ data: Span<UInt8>) {
        func isBlank(_ byte: UInt8) -> Bool { byte == 0x20 || (0x09...0x0D).contains(byte) }
        var range = 0..<data.count
        while let first = range.first, isBlank(data[first]) { range.removeFirst() }
        while let last = range.last, isBlank(data[last]) { range.removeLast() }
        if range.isEmpty {
            self = .nothing
        } else if range.count == 6, data[range.lowerBound] == UInt8(ascii: "["),
            String(copying: data, range) == "[DONE]"
        {
            self = .done
        } else {
            self = .document
        }
    }
}
