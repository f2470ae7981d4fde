import VerbatimPlatform

/// Reads a JSON text once, from front to back, without decoding or copying it.
///
/// Every call takes the text, so that a cursor can be stored while the bytes live elsewhere. It must be the same text
/// each time. ``skipValue(in:)`` skips a value that is of no interest; it still checks the value against the grammar of
/// RFC 8259.
///
///     var cursor = JSONCursor()
///     try cursor.enterObject(in: text)
///     while let key = try cursor.nextKey(in: text) {
///         if key.equals("id", in: text) { id = try cursor.skipValue(in: text) } else { try cursor.skipValue(in: text) }
///     }
///     try cursor.expectEnd(in: text)
package struct JSONCursor: Sendable {
    /// How deeply objects and arrays may be nested. Foundation has the same limit.
    package static let maximumDepth = 512

    package struct Options: OptionSet, Sendable {
        package let rawValue: UInt8
        package init(rawValue: UInt8) { self.rawValue = rawValue }

        /// Accept `NaN`, `Infinity` and `-Infinity` as values, as Python's JSON module does.
        package static let nonFiniteNumbers = Options(rawValue: 1)
        /// Reject strings that are not valid UTF-8.
        package static let validUTF8 = Options(rawValue: 2)
        /// Accept a few more levels: a record of the trace encloses a request, which may be as deep as any document.
        package static let recordDepth = Options(rawValue: 4)
    }

    /// The offset of the next byte to be read.
    package private(set) var offset: Int

    private let options: Options
    private var depth = 0
    /// True if a value has just ended, so that only a comma or the end of the container may follow.
    private var isAfterValue = false
    /// The containers of the document if they are known, else empty.
    private let containers: [JSONContainer]
    /// The index among them of the next container ahead.
    private var nextContainer = 0
    /// True if values are known to be normalized already (``JSONNormalizer``).
    package let isNormal: Bool

    package init(at offset: Int = 0, options: Options = []) {
        self.offset = offset
        self.options = options
        containers = []
        isNormal = false
    }

    /// Makes a cursor for a document that has been checked and has these containers.
    init(containers: [JSONContainer], isNormal: Bool) {
        offset = 0
        options = .nonFiniteNumbers
        self.containers = containers
        self.isNormal = isNormal
    }

    // MARK: Containers

    /// Steps over `{`.
    package mutating func enterObject(in text: Span<UInt8>) throws(JSONError) {
        try enter(UInt8(ascii: "{"), in: text)
    }

    /// Steps over `[`.
    package mutating func enterArray(in text: Span<UInt8>) throws(JSONError) {
        try enter(UInt8(ascii: "["), in: text)
    }

    /// Steps to the value of the next member and returns its key; at the object's end steps over `}` and returns nil.
    package mutating func nextKey(in text: Span<UInt8>) throws(JSONError) -> JSONString? {
        guard try stepToNext(closing: UInt8(ascii: "}"), in: text) else { return nil }
        let key = try scanString(in: text)
        skipWhitespace(in: text)
        try expect(UInt8(ascii: ":"), in: text)
        isAfterValue = false
        return key
    }

    /// Steps to the next element and returns true; at the array's end steps over `]` and returns false.
    package mutating func nextElement(in text: Span<UInt8>) throws(JSONError) -> Bool {
        guard try stepToNext(closing: UInt8(ascii: "]"), in: text) else { return false }
        isAfterValue = false
        return true
    }

    // MARK: Values

    /// Returns the kind of the value ahead, by its first byte.
    package mutating func peekKind(in text: Span<UInt8>) throws(JSONError) -> JSONKind {
        skipWhitespace(in: text)
        guard offset < text.count else { throw JSONError(.unexpectedEnd, at: offset) }
        switch text[offset] {
        case UInt8(ascii: "{"): return .object
        case UInt8(ascii: "["): return .array
        case UInt8(ascii: "\""): return .string
        case UInt8(ascii: "t"): return .true
        case UInt8(ascii: "f"): return .false
        case UInt8(ascii: "n"): return .null
        case UInt8(ascii: "0")...UInt8(ascii: "9"): return .number
        case UInt8(ascii: "-"):
            let isInfinity =
                options.contains(.nonFiniteNumbers) && offset + 1 < text.count && text[offset + 1] == UInt8(ascii: "I")
            return isInfinity ? .nonFinite : .number
        case UInt8(ascii: "N") where options.contains(.nonFiniteNumbers): return .nonFinite
        case UInt8(ascii: "I") where options.contains(.nonFiniteNumbers): return .nonFinite
        default: throw JSONError(.unexpectedByte, at: offset)
        }
    }

    /// Steps over the value ahead, of any kind, and returns its range.
    @discardableResult
    package mutating func skipValue(in text: Span<UInt8>) throws(JSONError) -> JSONValue {
        let kind = try peekKind(in: text)
        let start = offset
        if kind.isContainer, nextContainer < containers.count {
            let container = containers[nextContainer]
            offset = Int(container.end)
            nextContainer = Int(container.next)
            isAfterValue = true
            return JSONValue(kind: kind, range: start..<offset)
        }
        switch kind {
        case .object:
            try enterObject(in: text)
            while try nextKey(in: text) != nil { try skipValue(in: text) }
        case .array:
            try enterArray(in: text)
            while try nextElement(in: text) { try skipValue(in: text) }
        case .string: _ = try scanString(in: text)
        case .number: try scanNumber(in: text)
        case .true: try scanWord("true", in: text)
        case .false: try scanWord("false", in: text)
        case .null: try scanWord("null", in: text)
        case .nonFinite:
            if text[offset] == UInt8(ascii: "-") { offset += 1 }
            try scanWord(text[offset] == UInt8(ascii: "N") ? "NaN" : "Infinity", in: text)
        }
        isAfterValue = true
        return JSONValue(kind: kind, range: start..<offset)
    }

    /// Steps over the string ahead.
    package mutating func skipString(in text: Span<UInt8>) throws(JSONError) -> JSONString {
        skipWhitespace(in: text)
        let string = try scanString(in: text)
        isAfterValue = true
        return string
    }

    /// Throws unless only white space is left.
    package mutating func expectEnd(in text: Span<UInt8>) throws(JSONError) {
        skipWhitespace(in: text)
        if offset < text.count { throw JSONError(.trailingBytes, at: offset) }
    }

    // MARK: Grammar

    @inline(__always)
    private mutating func enter(_ opening: UInt8, in text: Span<UInt8>) throws(JSONError) {
        skipWhitespace(in: text)
        if depth == Self.maximumDepth + (options.contains(.recordDepth) ? 8 : 0) {
            throw JSONError(.tooDeep, at: offset)
        }
        try expect(opening, in: text)
        depth += 1
        nextContainer += 1
        isAfterValue = false
    }

    @inline(__always)
    private mutating func stepToNext(closing: UInt8, in text: Span<UInt8>) throws(JSONError) -> Bool {
        skipWhitespace(in: text)
        guard offset < text.count else { throw JSONError(.unexpectedEnd, at: offset) }
        if text[offset] == closing {
            offset += 1
            depth -= 1
            isAfterValue = true
            return false
        }
        if isAfterValue {
            try expect(UInt8(ascii: ","), in: text)
            skipWhitespace(in: text)
        }
        return true
    }

    @inline(__always)
    private mutating func skipWhitespace(in text: Span<UInt8>) {
        while offset < text.count {
            switch text[offset] {
            case 0x20, 0x0A, 0x0D, 0x09: offset += 1
            default: return
            }
        }
    }

    @inline(__always)
    private mutating func expect(_ byte: UInt8, in text: Span<UInt8>) throws(JSONError) {
        guard offset < text.count else { throw JSONError(.unexpectedEnd, at: offset) }
        guard text[offset] == byte else { throw JSONError(.unexpectedByte, at: offset) }
        offset += 1
    }

    private mutating func scanWord(_ word: StaticString, in text: Span<UInt8>) throws(JSONError) {
        for index in 0..<word.utf8CodeUnitCount {
            try expect(word.withUTF8Buffer { $0[index] }, in: text)
        }
    }

    @inline(__always)
    private mutating func scanString(in text: Span<UInt8>) throws(JSONError) -> JSONString {
        let start = offset
        try expect(UInt8(ascii: "\""), in: text)
        var hasEscapes = false
        let validates = options.contains(.validUTF8)
        while true {
            offset = nextStringBreak(in: text, from: offset, stopAtNonASCII: validates)
            guard offset < text.count else { throw JSONError(.unexpectedEnd, at: offset) }
            switch text[offset] {
            case UInt8(ascii: "\""):
                offset += 1
                return JSONString(quoted: start..<offset, hasEscapes: hasEscapes)
            case UInt8(ascii: "\\"):
                hasEscapes = true
                try scanEscape(in: text)
            case 0x80...:
                let (length, isValid) = utf8Sequence(in: text, at: offset)
                guard isValid else { throw JSONError(.invalidUTF8, at: offset) }
                offset += length
            default:
                throw JSONError(.controlCharacter, at: offset)
            }
        }
    }

    private mutating func scanEscape(in text: Span<UInt8>) throws(JSONError) {
        guard offset + 1 < text.count else { throw JSONError(.unexpectedEnd, at: text.count) }
        switch text[offset + 1] {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"), UInt8(ascii: "b"), UInt8(ascii: "f"),
            UInt8(ascii: "n"), UInt8(ascii: "r"), UInt8(ascii: "t"):
            offset += 2
        case UInt8(ascii: "u"):
            for index in offset + 2..<offset + 6 {
                guard index < text.count else { throw JSONError(.unexpectedEnd, at: text.count) }
                guard hexDigitValue(text[index]) != nil else { throw JSONError(.invalidEscape, at: index) }
            }
            offset += 6
        default:
            throw JSONError(.invalidEscape, at: offset)
        }
    }

    private mutating func scanNumber(in text: Span<UInt8>) throws(JSONError) {
        if text[offset] == UInt8(ascii: "-") { offset += 1 }
        if offset < text.count, text[offset] == UInt8(ascii: "0") {
            offset += 1
        } else {
            try scanDigits(in: text)
        }
        if offset < text.count, text[offset] == UInt8(ascii: ".") {
            offset += 1
            try scanDigits(in: text)
        }
        if offset < text.count, text[offset] | 0x20 == UInt8(ascii: "e") {
            offset += 1
            if offset < text.count, text[offset] == UInt8(ascii: "+") || text[offset] == UInt8(ascii: "-") {
                offset += 1
            }
            try scanDigits(in: text)
        }
    }

    private mutating func scanDigits(in text: Span<UInt8>) throws(JSONError) {
        let start = offset
        offset = text.withUnsafeBufferPointer { endOfDigits(in: $0, from: start) }
        if offset == start {
            throw offset < text.count ? JSONError(.invalidNumber, at: offset) : JSONError(.unexpectedEnd, at: offset)
        }
    }
}
