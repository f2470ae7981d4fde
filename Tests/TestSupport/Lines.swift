import VerbatimPlatform

extension [UInt8] {
    /// The offsets of all line feeds.
    package var lineFeeds: [Int] {
        var offsets: [Int] = []
        var next = 0
        while let offset = firstOffset(of: 0x0A, from: next) {
            offsets.append(offset)
            next = offset + 1
        }
        return offsets
    }

    /// The lines that are not empty, without their line feeds.
    package var lines: [[UInt8]] {
        var lines: [[UInt8]] = []
        var start = 0
        for end in lineFeeds + [count] {
            if end > start { lines.append(Array(self[start..<end])) }
            start = end + 1
        }
        return lines
    }
}
