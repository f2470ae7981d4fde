import VerbatimJSON

/// Maps offsets in data that came on several `data:` lines back to offsets in their event.
enum JoinedLines {
    /// The lines, joined by line feeds.
    static func joined(_ lines: [Range<Int>], of event: Span<UInt8>) -> [UInt8] {
        var joined: [UInt8] = []
        for (number, line) in lines.enumerated() {
            if number > 0 { joined.append(UInt8(ascii: "\n")) }
            joined.append(copying: event, line)
        }
        return joined
    }

    /// The range in the event for `range` of the joined lines.
    static func place(_ range: Range<Int>, lines: [Range<Int>]) -> Range<Int> {
        let lower = place(range.lowerBound, lines: lines, asEnd: false)
        return lower..<max(lower, place(range.upperBound, lines: lines, asEnd: !range.isEmpty))
    }

    /// An offset between two lines belongs to the first line if it ends a range, else to the second.
    private static func place(_ offset: Int, lines: [Range<Int>], asEnd: Bool) -> Int {
        var start = 0
        for line in lines {
            let end = start + line.count
            if offset < end || (offset == end && asEnd) { return line.lowerBound + max(0, offset - start) }
            start = end + 1
        }
        return lines.last?.upperBound ?? 0
    }
}
