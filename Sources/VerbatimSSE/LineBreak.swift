import VerbatimPlatform

/// How far to search for a `\n` before searching for a `\r`. It is large enough for `memchr` to be fast, and small
/// enough that the search for a `\n` does not scan the same bytes again and again if all lines end with `\r`.
private let window = 1024

/// Returns the first offset from `start` on of a `\n` or `\r`; `bytes.count` if there is none.
func nextLineBreak(in bytes: Span<UInt8>, from start: Int) -> Int {
    bytes.withUnsafeBytes { bytes in
        guard let base = bytes.baseAddress else { return bytes.count }
        var index = start
        while index < bytes.count {
            let length = min(window, bytes.count - index)
            let lineFeed = offset(of: 0x0A, in: base + index, length)
            let end = lineFeed ?? length
            if let found = offset(of: 0x0D, in: base + index, end) ?? lineFeed { return index + found }
            index += length
        }
        return index
    }
}

@inline(__always)
private func offset(of byte: Int32, in bytes: UnsafeRawPointer, _ length: Int) -> Int? {
    memchr(bytes, byte, length).map { UnsafeRawPointer($0) - bytes }
}
