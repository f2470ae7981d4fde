/// Checks a document against the JSON grammar in one pass and lists its containers.
///
/// It is made for speed: it works on one loop without recursion, and an error has neither a reason nor an offset.
struct DocumentScanner {
    private var tokens = TokenScanner()
    /// How many containers have been listed.
    private(set) var count = 0
    /// True if the scan ended because there was no room for another container.
    private(set) var isFull = false
    /// The index of the innermost open container, or -1.
    private var open: Int32 = -1
    private var isInObject = false
    /// The index of the container that was closed last, and its ``JSONContainer/next`` while it was open.
    private var closed = 0
    private var closedNext: Int32 = 0

    /// False once something has come that ``JSONNormalizer`` would change.
    var isNormal: Bool { tokens.isNormal }

    /// Scans a whole document and writes its containers to `containers`.
    ///
    /// - Returns: False if the document is not JSON, or if `containers` has too few elements (``isFull``).
    mutating func scan(
        _ text: UnsafeBufferPointer<UInt8>, _ containers: UnsafeMutableBufferPointer<JSONContainer>
    ) -> Bool {
        var offset = 0
        var depth = 0
        var matcher = ArrayTemplateMatcher()
        while true {
            // A value begins.
            offset = tokens.skipWhitespace(text, offset)
            guard offset < text.count else { return false }
            let first = text[offset]
            if first == UInt8(ascii: "\"") {
                offset = tokens.skipString(text, offset)
            } else if first &- UInt8(ascii: "0") < 10 || first == UInt8(ascii: "-") {
                let end = isInObject ? offset : endOfNaturalNumbers(in: text, from: offset)
                offset = end > offset ? end : tokens.skipNumber(text, offset)
            } else if first == UInt8(ascii: "{") || first == UInt8(ascii: "[") {
                if depth == JSONCursor.maximumDepth { return false }
                depth += 1
                guard enter(isObject: first == UInt8(ascii: "{"), at: offset, containers) else { return false }
                offset = tokens.skipWhitespace(text, offset + 1)
                guard offset < text.count else { return false }
                if text[offset] != (isInObject ? UInt8(ascii: "}") : UInt8(ascii: "]")) {
                    if isInObject { offset = tokens.skipKey(text, offset) }
                    if offset < 0 { return false }
                    continue
                }
                offset += 1
                depth -= 1
                leave(at: offset, containers)
            } else {
                offset = tokens.skipWord(text, offset)
            }
            if offset < 0 { return false }
            // A value has ended. The containers around it may end as well.
            while true {
                offset = tokens.skipWhitespace(text, offset)
                if depth == 0 { return offset == text.count }
                guard offset < text.count else { return false }
                let byte = text[offset]
                offset += 1
                if byte == UInt8(ascii: ",") {
                    if isInObject {
                        offset = tokens.skipKey(text, tokens.skipWhitespace(text, offset))
                        if offset < 0 { return false }
                    } else if offset < text.count, text[offset] == UInt8(ascii: "{"),
                        text[offset - 2] == UInt8(ascii: "}")
                    {
                        let element = Int(~closedNext)..<offset - 1
                        let end = matcher.skip(after: element, at: closed, of: open, in: text, containers, &count)
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

    @inline(__always)
    private mutating func enter(
        isObject: Bool, at offset: Int, _ containers: UnsafeMutableBufferPointer<JSONContainer>
    ) -> Bool {
        guard count < containers.count else {
            isFull = true
            return false
        }
        containers[count] = JSONContainer(end: open, next: isObject ? ~Int32(truncatingIfNeeded: offset) : 0)
        open = Int32(truncatingIfNeeded: count)
        count &+= 1
        isInObject = isObject
        return true
    }

    @inline(__always)
    private mutating func leave(at end: Int, _ containers: UnsafeMutableBufferPointer<JSONContainer>) {
        let next = Int32(truncatingIfNeeded: count)
        let index = Int(open)
        closed = index
        closedNext = containers[index].next
        open = containers[index].end
        containers[index] = JSONContainer(end: Int32(truncatingIfNeeded: end), next: next)
        isInObject = open >= 0 && containers[Int(open)].isOpenObject
    }
}
