import VerbatimPlatform

// Tests are built without optimization. What the standard library does there byte by byte, such as joining arrays,
// takes most of the time of a test; these do the same with a few calls.

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

extension [UInt8] {
    /// How often `text` occurs, without overlaps.
    package func count(of text: String) -> Int {
        let needle = Array(text.utf8)
        var count = 0
        var next = 0
        while let offset = firstOffset(of: needle, from: next) {
            count += 1
            next = offset + needle.count
        }
        return count
    }

    /// The same as `==`.
    package func isSame(as other: [UInt8]) -> Bool {
        count == other.count
            && withUnsafeBytes { bytes in
                other.withUnsafeBytes { others in
                    guard let one = bytes.baseAddress, let other = others.baseAddress else { return true }
                    return memcmp(one, other, bytes.count) == 0
                }
            }
    }
}

extension [[UInt8]] {
    /// The same as `Array(joined(separator: separator))`.
    package func joined(by separator: String = "") -> [UInt8] {
        var bytes: [UInt8] = []
        for (index, part) in enumerated() {
            if index > 0 { bytes += separator.utf8 }
            bytes += part
        }
        return bytes
    }
}

extension String {
    /// An ASCII character, `count` times.
    package init(repeating character: Unicode.Scalar, times count: Int) {
        self.init(decoding: [UInt8](repeating: UInt8(ascii: character), count: count), as: UTF8.self)
    }
}
