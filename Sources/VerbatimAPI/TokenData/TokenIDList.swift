import VerbatimJSON

/// Token ids that come in a list of their own.
struct TokenIDList: Sendable {
    private(set) var ids = JSONList()
    /// How many elements were null. They count as tokens.
    private(set) var missing = 0
    /// How many elements were no ids. They count as tokens, with `null` for the id.
    private(set) var invalid = 0

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
            if id.natural(in: text) != nil {
                ids.append(id.range, of: text, isNormal: true)
            } else {
                ids.appendNull()
                if id.isNull { missing += 1 } else { invalid += 1 }
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

    /// Whether an array holds ids only.
    static func isValid(_ array: [UInt8]) -> Bool {
        var list = TokenIDList()
        guard plainCount(of: array.indices, in: array.span) == nil else { return true }
        try? list.append(JSONValue(kind: .array, range: array.indices), of: array.span)
        return list.invalid + list.missing == 0
    }

    /// The number of elements of an array that consists of commas and numbers of at most 18 digits; nil for an empty
    /// one and any other.
    private static func plainCount(of array: Range<Int>, in text: Span<UInt8>) -> Int? {
        guard array.count > 2 else { return nil }
        var count = 1
        var start = array.lowerBound + 1
        for index in array.lowerBound + 1..<array.upperBound - 1 {
            let byte = text[index]
            if byte == UInt8(ascii: ",") {
                if index &- start > 18 { return nil }
                start = index &+ 1
                count += 1
            } else if byte &- UInt8(ascii: "0") > 9 {
                return nil
            }
        }
        return array.upperBound &- 1 &- start > 18 ? nil : count
    }
}

extension JSONValue {
    /// The value as an id: a natural number below 2^63, written without fraction and exponent.
    func natural(in text: Span<UInt8>) -> Int? { int(in: text).flatMap { $0 >= 0 ? $0 : nil } }
}
