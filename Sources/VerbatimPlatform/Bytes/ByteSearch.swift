extension UnsafeRawBufferPointer {
    /// Returns the offset of the first occurrence of `needle` at `start` or later, or nil if it does not occur. An
    /// empty `needle` occurs everywhere.
    package func firstOffset(of needle: UnsafeRawBufferPointer, from start: Int = 0) -> Int? {
        if needle.isEmpty { return start <= count ? start : nil }
        guard let base = baseAddress, let wanted = needle.baseAddress else { return nil }
        var place = start
        while place + needle.count <= count,
            let found = memchr(base + place, Int32(needle[0]), count - place - needle.count + 1)
        {
            if memcmp(found, wanted, needle.count) == 0 { return UnsafeRawPointer(found) - base }
            place = UnsafeRawPointer(found) - base + 1
        }
        return nil
    }
}

extension [UInt8] {
    /// Returns the offset of the first occurrence of `byte` at `start` or later, or nil if it does not occur.
    package func firstOffset(of byte: UInt8, from start: Int = 0) -> Int? {
        withUnsafeBytes { bytes in
            guard let base = bytes.baseAddress, start < bytes.count else { return nil }
            return memchr(base + start, Int32(byte), bytes.count - start).map { UnsafeRawPointer($0) - base }
        }
    }

    /// Returns the offset of the first occurrence of `needle` at `start` or later, or nil if it does not occur.
    package func firstOffset(of needle: [UInt8], from start: Int = 0) -> Int? {
        withUnsafeBytes { bytes in needle.withUnsafeBytes { bytes.firstOffset(of: $0, from: start) } }
    }
}
