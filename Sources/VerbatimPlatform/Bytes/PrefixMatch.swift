extension Span<UInt8> {
    /// Returns how many bytes of `text` are at `start`: all, if `text` is there; fewer, if the bytes differ or end.
    package func matchLength(of text: StaticString, at start: Int = 0) -> Int {
        let limit = Swift.min(text.utf8CodeUnitCount, count - start)
        var length = 0
        while length < limit, self[start + length] == text.utf8Start[length] { length += 1 }
        return length
    }
}
