import VerbatimJSON

/// Token ids that come in a list of their own.
struct TokenIDList: Sendable {
    private(set) var ids = JSONList()
    /// How many elements were no numbers. They count as tokens, with `null` for the id.
    private(set) var missing = 0

    init() {}

    init(_ ids: JSONList) { self.ids = ids }

    var count: Int { ids.count }

    /// Appends the ids in a JSON array.
    mutating func append(_ list: JSONValue, of text: Span<UInt8>) throws(JSONError) {
        if let count = Self.plainCount(of: list.range, in: text) {
            ids.append(
                elements: list.range.lowerBound + 1..<list.range.upperBound - 1, count: count, of: text, isNormal: true)
            return
        }
        var cursor = JSONCursor(at: list.range.lowerBound, options: .nonFiniteNumbers)
        try cursor.enterArray(in: text)
        while try cursor.nextElement(in: text) {
            let id = try cursor.skipValue(in: text)
            if id.kind == .number {
                ids.append(id.range, of: text, isNormal: true)
            } else {
                ids.appendNull()
                missing += 1
            }
        }
    }

    mutating func appendNull() { ids.appendNull() }

    /// Inserts nulls in front.
    mutating func insertGap(_ length: Int) {
        var all = JSONList(nulls: length)
        all.append(contentsOf: ids)
        ids = all
    }

    /// The number of elements of an array that consists of digits and commas only; nil for an empty one and any other.
    private static func plainCount(of array: Range<Int>, in text: Span<UInt8>) -> Int? {
        guard array.count > 2 else { return nil }
        var count = 1
        for index in array.lowerBound + 1..<array.upperBound - 1 {
            let byte = text[index]
            if byte == UInt8(ascii: ",") { count += 1 } else if byte &- UInt8(ascii: "0") > 9 { return nil }
        }
        return count
    }
}
