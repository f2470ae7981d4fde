import VerbatimPlatform

/// What kind of JSON value stands at a place.
package enum JSONKind: Hashable, Sendable {
    case object, array, string, number, `true`, `false`, null

    /// `NaN`, `Infinity` or `-Infinity`: not JSON, but what some Python servers emit.
    case nonFinite

    /// Written out, since other modules would look for the compiler's in a table, at each value of each event.
    @inlinable package static func == (left: JSONKind, right: JSONKind) -> Bool { left.ordinal == right.ordinal }

    @inlinable package var ordinal: Int {
        switch self {
        case .object: 0
        case .array: 1
        case .string: 2
        case .number: 3
        case .true: 4
        case .false: 5
        case .null: 6
        case .nonFinite: 7
        }
    }

    package var isBool: Bool { self == .true || self == .false }
    package var isContainer: Bool { self == .object || self == .array }
}

/// A value's place in a text: its kind and its bytes, nothing decoded.
package struct JSONValue: Hashable, Sendable {
    package let kind: JSONKind
    package let range: Range<Int>

    package init(kind: JSONKind, range: Range<Int>) {
        self.kind = kind
        self.range = range
    }

    package var isNull: Bool { kind == .null }

    /// The value as an integer; `nil` for other kinds, fractions, exponents and what does not fit.
    package func int(in text: Span<UInt8>) -> Int? {
        guard kind == .number else { return nil }
        var index = range.lowerBound
        let negative = text[index] == UInt8(ascii: "-")
        if negative { index += 1 }
        // Downwards, because the least integer is farther from zero than the greatest.
        var result = 0
        while index < range.upperBound {
            let byte = text[index]
            guard byte >= UInt8(ascii: "0"), byte <= UInt8(ascii: "9") else { return nil }
            let (product, tooLarge) = result.multipliedReportingOverflow(by: 10)
            let (difference, overflow) = product.subtractingReportingOverflow(Int(byte - UInt8(ascii: "0")))
            if tooLarge || overflow { return nil }
            result = difference
            index += 1
        }
        if negative { return result }
        return result == .min ? nil : -result
    }

    /// The value as a floating-point number; `nil` for other kinds.
    package func double(in text: Span<UInt8>) -> Double? {
        guard kind == .number else { return nil }
        return Double(String(copying: text, range))
    }

    /// The value as a string without its escapes; `nil` for other kinds.
    package func string(in text: Span<UInt8>) -> String? {
        guard kind == .string else { return nil }
        return JSONString(quoted: range, hasEscapes: true).decoded(in: text)
    }

    /// Whether the value is the string `expected`, however it is escaped.
    package func equals(_ expected: StaticString, in text: Span<UInt8>) -> Bool {
        kind == .string && JSONString(quoted: range, hasEscapes: true).equals(expected, in: text)
    }

    /// Where the `e` of a number stands, if it has one.
    package func exponent(in text: Span<UInt8>) -> Int? {
        guard kind == .number else { return nil }
        return text.extracting(range).withUnsafeBufferPointer { offsetOfExponent(in: $0) }
            .map { range.lowerBound + $0 }
    }

    /// The bytes of the value as they stand.
    package func bytes(in text: Span<UInt8>) -> [UInt8] { [UInt8](copying: text, range) }
}

extension String {
    /// The bytes of `range` as UTF-8; invalid sequences become U+FFFD.
    package init(copying text: Span<UInt8>, _ range: Range<Int>) {
        self = text.extracting(range).withUnsafeBufferPointer { String(decoding: $0, as: UTF8.self) }
    }
}

extension [UInt8] {
    package init(copying text: Span<UInt8>, _ range: Range<Int>) {
        self = text.extracting(range).withUnsafeBufferPointer { Array($0) }
    }

    /// Whether these are the bytes of `range`.
    package func equals(_ range: Range<Int>, of text: Span<UInt8>) -> Bool {
        withUnsafeBufferPointer { text.equals($0, at: range) }
    }

    /// Whether the bytes at `place` are those of `range`.
    package func equals(_ range: Range<Int>, of text: Span<UInt8>, at place: Range<Int>) -> Bool {
        withUnsafeBufferPointer { text.equals(UnsafeBufferPointer(rebasing: $0[place]), at: range) }
    }

    /// Whether these are the bytes of `word`.
    package func equals(_ word: StaticString) -> Bool {
        span.equals(UnsafeBufferPointer(start: word.utf8Start, count: word.utf8CodeUnitCount), at: indices)
    }

    package mutating func append(copying text: Span<UInt8>, _ range: Range<Int>) {
        text.extracting(range).withUnsafeBufferPointer { append(contentsOf: $0) }
    }
}

extension Span<UInt8> {
    /// Whether the bytes of `range` are these.
    func equals(_ bytes: UnsafeBufferPointer<UInt8>, at range: Range<Int>) -> Bool {
        guard bytes.count == range.count else { return false }
        return extracting(range).withUnsafeBufferPointer { own in
            guard let own = own.baseAddress, let bytes = bytes.baseAddress else { return true }
            return memcmp(own, bytes, range.count) == 0
        }
    }
}
