import VerbatimJSON

/// The lines of an event that has no end yet.
enum EventLines {
    /// The lines that are looked at, so that the work stays small however many there are.
    private static let maximumCount = 6

    /// Whether one of the first lines is `data:` with a whole JSON object, and a later one begins with `data:` too.
    /// Joined, as one event has them, such lines would be no JSON.
    static func holdSeveralDocuments(_ event: Span<UInt8>) -> Bool {
        var start = 0
        var hasDocument = false
        for _ in 0..<maximumCount where start < event.count {
            var end = start
            while end < event.count, event[end] != 0x0A, event[end] != 0x0D { end += 1 }
            if isData(event, at: start) {
                if hasDocument { return true }
                if end == event.count { return false }
                hasDocument = isDocument(event.extracting(start + 5..<end))
            }
            start = end + 1
        }
        return false
    }

    private static func isData(_ event: Span<UInt8>, at start: Int) -> Bool {
        let name: StaticString = "data:"
        guard start + name.utf8CodeUnitCount <= event.count else { return false }
        for index in 0..<name.utf8CodeUnitCount where event[start + index] != name.utf8Start[index] { return false }
        return true
    }

    private static func isDocument(_ value: Span<UInt8>) -> Bool {
        var start = 0
        while start < value.count, value[start] == 0x20 { start += 1 }
        guard start < value.count, value[start] == UInt8(ascii: "{") else { return false }
        var splitter = DocumentSplitter()
        return splitter.nextUnit(in: value.extracting(start..<value.count)) != nil
    }
}
