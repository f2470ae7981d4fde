// Searches strings byte by byte. The standard library's `contains(_:)`, `firstRange(of:)` and `replacing(_:with:)` link
// the regular-expression engine, which would be a twelfth of a static binary.

extension Substring {
    /// Returns the range of the first occurrence of `text`; nil if there is none.
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
    /// Returns the range of the first occurrence of `text`; nil if there is none.
    package func firstRange(ofText text: String) -> Range<Index>? { self[...].firstRange(ofText: text) }

    package func contains(text: String) -> Bool { firstRange(ofText: text) != nil }

    /// Returns a copy with `other` in place of each occurrence of `text`.
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
