/// Where the containers of a JSON document end, found while the document is checked against the grammar of RFC 8259.
///
/// A ``JSONCursor`` that follows an outline passes over objects and arrays at once, so that a document is checked before
/// anything is taken from it, and yet gone through only once. An outline that is used again allocates nothing.
package struct JSONOutline: Sendable {
    /// An object or array. They stand in the order in which they open.
    struct Container: Sendable {
        /// Offset behind the closing bracket. While the container is open: the place of the one around it, or -1.
        var end: Int32
        /// The place of the next container behind it. While it is open: 1 for an object, 0 for an array.
        var next: Int32
    }

    private(set) var containers: [Container] = []

    /// Whether a copy of any value, byte for byte, is what ``JSONNormalizer`` would make of it: known only of documents
    /// without white space between tokens, non-finite numbers and bytes beyond ASCII.
    package private(set) var isNormal = false

    package init() {}

    /// Takes the outline of `text`; `false` if it is not a JSON document, as ``JSONCursor`` with the option
    /// ``JSONCursor/Options/nonFiniteNumbers`` reads it.
    package mutating func take(of text: Span<UInt8>) -> Bool {
        containers.removeAll(keepingCapacity: true)
        guard text.count < Int32.max else {
            isNormal = false
            var cursor = JSONCursor(options: .nonFiniteNumbers)
            return (try? cursor.skipValue(in: text)) != nil && (try? cursor.expectEnd(in: text)) != nil
        }
        var scan = Scan()
        let isValid = text.withUnsafeBufferPointer { scan.document($0, &containers) }
        isNormal = scan.isNormal
        if !isValid { containers.removeAll(keepingCapacity: true) }
        return isValid
    }
}

/// One walk over a document, written for speed: no calls, no errors to be told apart, offsets in registers.
private struct Scan {
    var isNormal = true
    private var offset = 0
    private var depth = 0
    /// Place of the innermost open container.
    private var open: Int32 = -1
    private var isInObject = false

    mutating func document(_ text: UnsafeBufferPointer<UInt8>, _ containers: inout [JSONOutline.Container]) -> Bool {
        while true {
            // A value begins.
            skipSpace(text)
            guard offset < text.count else { return false }
            switch text[offset] {
            case UInt8(ascii: "{"):
                guard enter(isObject: true, &containers) else { return false }
                skipSpace(text)
                guard offset < text.count else { return false }
                if text[offset] != UInt8(ascii: "}") {
                    guard key(text) else { return false }
                    continue
                }
                leave(&containers)
            case UInt8(ascii: "["):
                guard enter(isObject: false, &containers) else { return false }
                skipSpace(text)
                guard offset < text.count else { return false }
                if text[offset] != UInt8(ascii: "]") { continue }
                leave(&containers)
            case UInt8(ascii: "\""):
                guard string(text) else { return false }
            case UInt8(ascii: "0")...UInt8(ascii: "9"):
                guard number(text) else { return false }
            case UInt8(ascii: "-"):
                offset += 1
                if offset < text.count, text[offset] == UInt8(ascii: "I") {
                    isNormal = false
                    guard word("Infinity", text) else { return false }
                } else {
                    guard number(text) else { return false }
                }
            case UInt8(ascii: "n"):
                guard word("null", text) else { return false }
            case UInt8(ascii: "t"):
                guard word("true", text) else { return false }
            case UInt8(ascii: "f"):
                guard word("false", text) else { return false }
            case UInt8(ascii: "N"):
                isNormal = false
                guard word("NaN", text) else { return false }
            case UInt8(ascii: "I"):
                isNormal = false
                guard word("Infinity", text) else { return false }
            default:
                return false
            }
            // A value has ended, and perhaps the containers around it.
            while true {
                skipSpace(text)
                if depth == 0 { return offset == text.count }
                guard offset < text.count else { return false }
                let byte = text[offset]
                if byte == UInt8(ascii: ",") {
                    offset += 1
                    if isInObject {
                        skipSpace(text)
                        guard key(text) else { return false }
                    }
                    break
                }
                guard byte == (isInObject ? UInt8(ascii: "}") : UInt8(ascii: "]")) else { return false }
                leave(&containers)
            }
        }
    }

    // MARK: Containers

    @inline(__always)
    private mutating func enter(isObject: Bool, _ containers: inout [JSONOutline.Container]) -> Bool {
        if depth == JSONCursor.maximumDepth { return false }
        depth += 1
        offset += 1
        containers.append(JSONOutline.Container(end: open, next: isObject ? 1 : 0))
        open = Int32(truncatingIfNeeded: containers.count - 1)
        isInObject = isObject
        return true
    }

    @inline(__always)
    private mutating func leave(_ containers: inout [JSONOutline.Container]) {
        depth -= 1
        offset += 1
        let place = Int(open)
        open = containers[place].end
        containers[place] = JSONOutline.Container(
            end: Int32(truncatingIfNeeded: offset), next: Int32(truncatingIfNeeded: containers.count))
        isInObject = open >= 0 && containers[Int(open)].next == 1
    }

    // MARK: Tokens

    @inline(__always)
    private mutating func skipSpace(_ text: UnsafeBufferPointer<UInt8>) {
        guard offset < text.count, text[offset] <= 0x20 else { return }
        while offset < text.count {
            switch text[offset] {
            case 0x20, 0x0A, 0x0D, 0x09: offset += 1
            default: return
            }
            isNormal = false
        }
    }

    /// A member's name and the colon behind it.
    @inline(__always)
    private mutating func key(_ text: UnsafeBufferPointer<UInt8>) -> Bool {
        guard offset < text.count, text[offset] == UInt8(ascii: "\""), string(text) else { return false }
        skipSpace(text)
        guard offset < text.count, text[offset] == UInt8(ascii: ":") else { return false }
        offset += 1
        return true
    }

    /// A string, from its opening quote.
    @inline(__always)
    private mutating func string(_ text: UnsafeBufferPointer<UInt8>) -> Bool {
        offset += 1
        while true {
            var isASCII = true
            offset = nextStringBreak(in: text, from: offset, isASCII: &isASCII)
            if !isASCII { isNormal = false }
            guard offset < text.count else { return false }
            switch text[offset] {
            case UInt8(ascii: "\""):
                offset += 1
                return true
            case UInt8(ascii: "\\"):
                guard escape(text) else { return false }
            default:
                return false
            }
        }
    }

    private mutating func escape(_ text: UnsafeBufferPointer<UInt8>) -> Bool {
        guard offset + 1 < text.count else { return false }
        switch text[offset + 1] {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"), UInt8(ascii: "b"), UInt8(ascii: "f"),
            UInt8(ascii: "n"), UInt8(ascii: "r"), UInt8(ascii: "t"):
            offset += 2
            return true
        case UInt8(ascii: "u"):
            guard offset + 6 <= text.count else { return false }
            for index in offset + 2..<offset + 6 where hexDigitValue(text[index]) == nil { return false }
            offset += 6
            return true
        default:
            return false
        }
    }

    /// A number behind its sign.
    @inline(__always)
    private mutating func number(_ text: UnsafeBufferPointer<UInt8>) -> Bool {
        if offset < text.count, text[offset] == UInt8(ascii: "0") {
            offset += 1
        } else {
            guard digits(text) else { return false }
        }
        if offset < text.count, text[offset] == UInt8(ascii: ".") {
            offset += 1
            guard digits(text) else { return false }
        }
        if offset < text.count, text[offset] | 0x20 == UInt8(ascii: "e") {
            offset += 1
            if offset < text.count, text[offset] == UInt8(ascii: "+") || text[offset] == UInt8(ascii: "-") {
                offset += 1
            }
            guard digits(text) else { return false }
        }
        return true
    }

    @inline(__always)
    private mutating func digits(_ text: UnsafeBufferPointer<UInt8>) -> Bool {
        let start = offset
        offset = endOfDigits(in: text, from: offset)
        return offset > start
    }

    @inline(__always)
    private mutating func word(_ word: StaticString, _ text: UnsafeBufferPointer<UInt8>) -> Bool {
        guard offset + word.utf8CodeUnitCount <= text.count else { return false }
        for index in 0..<word.utf8CodeUnitCount where text[offset + index] != word.utf8Start[index] { return false }
        offset += word.utf8CodeUnitCount
        return true
    }
}
