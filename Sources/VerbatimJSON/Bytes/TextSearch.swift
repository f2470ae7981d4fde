// Text within text, byte for byte. The standard library's `contains(_:)`, `firstRange(of:)` and `replacing(_:with:)` of
// strings come with the engine for regular expressions, which would be a twelfth of a static binary.

extension Substring {
    /// Where `text` stands first.
    package func firstRange(ofText text: String) -> Range<Index>? {
        guard let first = text.utf8.first else { return startIndex..<startIndex }
        var rest = utf8[...]
        while let start = rest.firstIndex(of: first) {
            rest = rest[start...]
            if rest.starts(with: text.utf8) { return start..<rest.index(start, offsetBy: text.utf8.count) }
            rest = rest.dropFirst()
        }
        return nil
    }
}

extension String {
    /// Where `text` stands first.
    package func firstRange(ofText text: String) -> Range<Index>? { self[...].firstRange(ofText: text) }

    package func contains(text: String) -> Bool { firstRange(ofText: text) != nil }

    /// The same with `other` in place of each `text`.
    package func replacing(text: String, with other: String) -> String {
        var result = ""
        var rest = self[...]
        while !text.isEmpty, let found = rest.firstRange(ofText: text) {
            result += rest[..<found.lowerBound] + other
            rest = rest[found.upperBound...]
        }
        return result + rest
    }
}
