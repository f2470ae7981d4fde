/// Where the containers of a JSON document end, found while the document is checked against the grammar of RFC 8259.
///
/// A ``JSONCursor`` that follows an outline passes over objects and arrays at once, so that a document is checked before
/// anything is taken from it, and yet gone through only once. An outline that is used again allocates nothing.
package struct JSONOutline: Sendable {
    /// An object or array. They stand in the order in which they open.
    struct Container: Sendable {
        /// Offset behind the closing bracket. While the container is open: the place of the one around it, or -1.
        var end: Int32
        /// The place of the next container behind it. While it is open: the complement of an object's offset, which is negative; 0
        /// for an array.
        var next: Int32

        var isOpenArray: Bool { next == 0 }
        var isOpenObject: Bool { next < 0 }
    }

    /// The document's are the first ``count``; the rest is room.
    private(set) var containers: [Container] = []
    private(set) var count = 0

    /// Whether a copy of any value, byte for byte, is what ``JSONNormalizer`` would make of it: there is no white space
    /// between tokens, nor anything else that it changes.
    package private(set) var isNormal = false

    package init() {}

    /// Takes the outline of `text`; `false` if it is not a JSON document, as ``JSONCursor`` with the option
    /// ``JSONCursor/Options/nonFiniteNumbers`` reads it.
    package mutating func take(of text: Span<UInt8>) -> Bool {
        guard text.count < Int32.max else {
            self = JSONOutline()
            var cursor = JSONCursor(options: .nonFiniteNumbers)
            return (try? cursor.skipValue(in: text)) != nil && (try? cursor.expectEnd(in: text)) != nil
        }
        makeRoom(max(Self.smallestRoom, text.count / 32))
        while true {
            var scan = Scan()
            let isValid = text.withUnsafeBufferPointer { text in
                containers.withUnsafeMutableBufferPointer { scan.document(text, $0) }
            }
            isNormal = scan.isNormal
            count = scan.count
            if isValid { return true }
            if !scan.isFull {
                self = JSONOutline()
                return false
            }
            // To begin again costs no more than to move what there is each time that it doubles.
            makeRoom(2 * containers.count)
        }
    }

    private static let smallestRoom = 32

    private mutating func makeRoom(_ room: Int) {
        if containers.count >= room { return }
        containers = Array(repeating: Container(end: 0, next: 0), count: room)
    }
}

/// One walk over a document. Written for speed: where it stands is kept in registers, and what is wrong is not told.
struct Scan {
    /// Whether nothing has come that would have to be changed.
    private(set) var isNormal = true
    /// How many objects and arrays have opened.
    private(set) var count = 0
    /// Whether there was no room for one more.
    private(set) var isFull = false
    /// Place of the innermost open container.
    private var open: Int32 = -1
    private var isInObject = false
    /// The place of the container that was closed last, and what its ``JSONOutline/Container/next`` was until then.
    private var closed = 0
    private var closedNext: Int32 = 0

    /// Stands for an offset where the document is wrong.
    static let failure = -1

    mutating func document(
        _ text: UnsafeBufferPointer<UInt8>, _ containers: UnsafeMutableBufferPointer<JSONOutline.Container>
    ) -> Bool {
        var offset = 0
        var depth = 0
        var alike = ArrayTemplateMatcher()
        while true {
            // A value begins.
            offset = behindSpace(text, offset)
            guard offset < text.count else { return false }
            let first = text[offset]
            if first == UInt8(ascii: "\"") {
                offset = behindString(text, offset)
            } else if first &- UInt8(ascii: "0") < 10 || first == UInt8(ascii: "-") {
                let end = isInObject ? offset : endOfNaturalNumbers(in: text, from: offset)
                offset = end > offset ? end : behindNumber(text, offset)
            } else if first == UInt8(ascii: "{") || first == UInt8(ascii: "[") {
                if depth == JSONCursor.maximumDepth { return false }
                depth += 1
                guard enter(isObject: first == UInt8(ascii: "{"), at: offset, containers) else { return false }
                offset = behindSpace(text, offset + 1)
                guard offset < text.count else { return false }
                if text[offset] != (isInObject ? UInt8(ascii: "}") : UInt8(ascii: "]")) {
                    if isInObject { offset = behindKey(text, offset) }
                    if offset < 0 { return false }
                    continue
                }
                offset += 1
                depth -= 1
                leave(at: offset, containers)
            } else {
                offset = behindWord(text, offset)
            }
            if offset < 0 { return false }
            // A value has ended, and perhaps the containers around it.
            while true {
                offset = behindSpace(text, offset)
                if depth == 0 { return offset == text.count }
                guard offset < text.count else { return false }
                let byte = text[offset]
                offset += 1
                if byte == UInt8(ascii: ",") {
                    if isInObject {
                        offset = behindKey(text, behindSpace(text, offset))
                        if offset < 0 { return false }
                    } else if offset < text.count, text[offset] == UInt8(ascii: "{"),
                        text[offset - 2] == UInt8(ascii: "}")
                    {
                        let element = Int(~closedNext)..<offset - 1
                        let end = alike.pass(behind: element, at: closed, of: open, in: text, containers, &count)
                        if end + 1 < text.count, text[end] == UInt8(ascii: ","), text[end + 1] == UInt8(ascii: "{") {
                            offset = end + 1
                            break
                        }
                        offset = end
                        continue
                    }
                    break
                }
                guard byte == (isInObject ? UInt8(ascii: "}") : UInt8(ascii: "]")) else { return false }
                depth -= 1
                leave(at: offset, containers)
            }
        }
    }

    // MARK: Containers

    @inline(__always)
    private mutating func enter(
        isObject: Bool, at offset: Int, _ containers: UnsafeMutableBufferPointer<JSONOutline.Container>
    ) -> Bool {
        guard count < containers.count else {
            isFull = true
            return false
        }
        containers[count] = JSONOutline.Container(
            end: open, next: isObject ? ~Int32(truncatingIfNeeded: offset) : 0)
        open = Int32(truncatingIfNeeded: count)
        count &+= 1
        isInObject = isObject
        return true
    }

    @inline(__always)
    private mutating func leave(at end: Int, _ containers: UnsafeMutableBufferPointer<JSONOutline.Container>) {
        let next = Int32(truncatingIfNeeded: count)
        let place = Int(open)
        closed = place
        closedNext = containers[place].next
        open = containers[place].end
        containers[place] = JSONOutline.Container(end: Int32(truncatingIfNeeded: end), next: next)
        isInObject = open >= 0 && containers[Int(open)].isOpenObject
    }

    // MARK: Tokens

    // Each is asked for the offset behind what begins at `start`.

    @inline(__always)
    private mutating func behindSpace(_ text: UnsafeBufferPointer<UInt8>, _ start: Int) -> Int {
        guard start < text.count, text[start] <= 0x20 else { return start }
        isNormal = false
        var offset = start
        while offset < text.count {
            switch text[offset] {
            case 0x20, 0x0A, 0x0D, 0x09: offset += 1
            default: return offset
            }
        }
        return offset
    }

    /// A member's name and the colon behind it.
    @inline(__always)
    private mutating func behindKey(_ text: UnsafeBufferPointer<UInt8>, _ start: Int) -> Int {
        guard start < text.count, text[start] == UInt8(ascii: "\"") else { return Self.failure }
        var offset = behindString(text, start)
        if offset < 0 { return offset }
        offset = behindSpace(text, offset)
        guard offset < text.count, text[offset] == UInt8(ascii: ":") else { return Self.failure }
        return offset + 1
    }

    @inline(__always)
    mutating func behindString(_ text: UnsafeBufferPointer<UInt8>, _ start: Int) -> Int {
        var offset = start + 1
        var seen: UInt64 = 0
        while true {
            offset = nextStringBreak(in: text, from: offset, seen: &seen)
            guard offset < text.count else { return Self.failure }
            if text[offset] == UInt8(ascii: "\"") {
                if !isASCII(seen: seen) && isNormal { lookBeyondASCII(text, start + 1..<offset) }
                return offset + 1
            }
            guard text[offset] == UInt8(ascii: "\\") else { return Self.failure }
            offset = Self.behindEscape(text, offset)
            if offset < 0 { return offset }
        }
    }

    /// Looks at what is not ASCII in a string.
    @inline(never)
    private mutating func lookBeyondASCII(_ text: UnsafeBufferPointer<UInt8>, _ string: Range<Int>) {
        let string = text.span.extracting(string)
        var index = 0
        while index < string.count {
            let (length, isValid) = scalar(in: string, at: index)
            if !isValid || lineBreak(in: string, at: index) != nil {
                isNormal = false
                return
            }
            index += length
        }
    }

    @inline(never)
    private static func behindEscape(_ text: UnsafeBufferPointer<UInt8>, _ start: Int) -> Int {
        guard start + 1 < text.count else { return failure }
        switch text[start + 1] {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"), UInt8(ascii: "b"), UInt8(ascii: "f"),
            UInt8(ascii: "n"), UInt8(ascii: "r"), UInt8(ascii: "t"):
            return start + 2
        case UInt8(ascii: "u"):
            guard start + 6 <= text.count else { return failure }
            for index in start + 2..<start + 6 where hexDigitValue(text[index]) == nil { return failure }
            return start + 6
        default:
            return failure
        }
    }

    @inline(__always)
    mutating func behindNumber(_ text: UnsafeBufferPointer<UInt8>, _ start: Int) -> Int {
        var digits = start
        if text[start] == UInt8(ascii: "-") {
            digits += 1
            if digits < text.count, text[digits] == UInt8(ascii: "I") { return behindWord(text, digits) }
        }
        var offset = endOfDigits(in: text, from: digits)
        guard offset > digits, offset == digits + 1 || text[digits] != UInt8(ascii: "0") else { return Self.failure }
        guard offset < text.count else { return offset }
        if text[offset] == UInt8(ascii: ".") {
            digits = offset + 1
            offset = endOfDigits(in: text, from: digits)
            guard offset > digits else { return Self.failure }
            guard offset < text.count else { return offset }
        }
        if text[offset] | 0x20 == UInt8(ascii: "e") {
            digits = offset + 1
            if digits < text.count, text[digits] == UInt8(ascii: "+") || text[digits] == UInt8(ascii: "-") {
                digits += 1
            }
            offset = endOfDigits(in: text, from: digits)
            guard offset > digits else { return Self.failure }
        }
        return offset
    }

    @inline(never)
    private mutating func behindWord(_ text: UnsafeBufferPointer<UInt8>, _ start: Int) -> Int {
        let word: StaticString
        switch text[start] {
        case UInt8(ascii: "n"): word = "null"
        case UInt8(ascii: "t"): word = "true"
        case UInt8(ascii: "f"): word = "false"
        case UInt8(ascii: "N"): word = "NaN"
        case UInt8(ascii: "I"): word = "Infinity"
        default: return Self.failure
        }
        if text[start] < UInt8(ascii: "a") { isNormal = false }
        guard start + word.utf8CodeUnitCount <= text.count else { return Self.failure }
        for index in 0..<word.utf8CodeUnitCount where text[start + index] != word.utf8Start[index] {
            return Self.failure
        }
        return start + word.utf8CodeUnitCount
    }
}
