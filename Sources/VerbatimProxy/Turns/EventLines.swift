import VerbatimJSON
import VerbatimPlatform

/// The lines of an event, which may have no end yet.
enum EventLines {
    /// How much of an event is looked at, so that the work stays small however much there is.
    private static let maximumCount = 6
    private static let maximumSize = 128 << 10

    /// Whether one of the first lines is `data:` with a whole JSON object, and a later one begins an object too: the
    /// blank line between two events is missing. Joined, as one event has them, such lines are never JSON.
    ///
    /// - Parameter lines: The number of lines that are complete.
    static func holdSeveralDocuments(_ event: Span<UInt8>, lines: Int) -> Bool {
        // Most events have one line, or one of data behind the event's name.
        guard lines > 1 || (lines == 1 && event.matchLength(of: "data:") == 5) else { return false }
        let count = min(event.count, maximumSize)
        var start = 0
        var hasDocument = false
        for _ in 0..<maximumCount where start < count {
            let content = startOfObject(event, inLineAt: start)
            if hasDocument && content != nil { return true }
            var end = start
            while end < count, event[end] != 0x0A, event[end] != 0x0D { end += 1 }
            if end == count { return false }
            if let content {
                var splitter = DocumentSplitter()
                hasDocument = splitter.nextUnit(in: event.extracting(content..<end)) != nil
            }
            start = end + 1
        }
        return false
    }

    private static func startOfObject(_ event: Span<UInt8>, inLineAt start: Int) -> Int? {
        guard event.matchLength(of: "data:", at: start) == 5 else { return nil }
        var content = start + 5
        while content < event.count, event[content] == 0x20 { content += 1 }
        return content < event.count && event[content] == UInt8(ascii: "{") ? content : nil
    }
}
