import VerbatimPlatform

extension String {
    /// Makes a string of the bytes in `range`. Invalid UTF-8 becomes U+FFFD.
    package init(copying text: Span<UInt8>, _ range: Range<Int>) {
        self = text.extracting(range).withUnsafeBufferPointer { String(decoding: $0, as: UTF8.self) }
    }
}

extension [UInt8] {
    package init(copying text: Span<UInt8>, _ range: Range<Int>) {
        self = text.extracting(range).withUnsafeBufferPointer { Array($0) }
    }

    package mutating func append(copying text: Span<UInt8>, _ range: Range<Int>) {
        text.extracting(range).withUnsafeBufferPointer { append(contentsOf: $0) }
    }

    /// Returns whether these are the bytes in `range` of `text`.
    package func equals(_ range: Range<Int>, of text: Span<UInt8>) -> Bool {
        withUnsafeBufferPointer { text.equals($0, at: range) }
    }

    /// Returns whether the bytes at `place` are those in `range` of `text`.
    package func equals(_ range: Range<Int>, of text: Span<UInt8>, at place: Range<Int>) -> Bool {
        withUnsafeBufferPointer { text.equals(UnsafeBufferPointer(rebasing: $0[place]), at: range) }
    }

    /// Returns whether these are the bytes of `word`.
    package func equals(_ word: StaticString) -> Bool {
        span.equals(UnsafeBufferPointer(start: word.utf8Start, count: word.utf8CodeUnitCount), at: indices)
    }
}

extension Span<UInt8> {
    /// Returns whether the bytes in `range` are `bytes`.
    func equals(_ bytes: UnsafeBufferPointer<UInt8>, at range: Range<Int>) -> Bool {
        guard bytes.count == range.count else { return false }
        return extracting(range).withUnsafeBufferPointer { own in
            guard let own = own.baseAddress, let bytes = bytes.baseAddress else { return true }
            return memcmp(own, bytes, range.count) == 0
        }
    }
}
