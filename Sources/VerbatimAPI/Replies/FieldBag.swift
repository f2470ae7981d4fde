import VerbatimJSON

/// The fields of an object that comes in many instalments, each with the last value that was not null.
///
/// Keys keep the order in which they first came.
struct FieldBag: Sendable {
    /// Where a field stands in `bytes`.
    private struct Field: Sendable {
        /// As sent.
        let key: JSONString
        var value: Range<Int>
    }

    /// Most fields that are kept; no engine has a tenth of that.
    private static let limit = 1024
    /// How many bytes of values that have been replaced may stay.
    private static let tolerated = 256

    private var fields: [Field] = []
    /// All keys and values, and values that others have taken the place of. In one piece, since each instalment is compared
    /// with them.
    private var bytes: [UInt8] = []
    private var unused = 0
    private(set) var losses: JSONNormalizer.Losses = []
    /// Where the next key is expected: instalments mostly repeat the same keys in the same order.
    private var next = 0

    /// About as long is the text of all fields.
    var length: Int { bytes.count - unused + 2 * fields.count }

    mutating func restart() { next = 0 }

    /// - Parameter isNormal: Whether the value need not be normalized.
    /// - Returns: Whether the field was known with another value.
    @discardableResult
    mutating func put(_ key: JSONString, _ value: JSONValue, of text: Span<UInt8>, isNormal: Bool = false) -> Bool {
        guard let index = index(of: key.quoted, in: text) else {
            if fields.count >= Self.limit { return false }
            append(key, value.range, of: text, isNormal: isNormal)
            next = fields.count
            return false
        }
        next = index + 1
        if value.isNull || bytes.equals(value.range, of: text, at: fields[index].value) { return false }
        if isNormal && value.range.count == fields[index].value.count {
            // A time in place of another, with nearly every event of some engines.
            for (place, offset) in zip(fields[index].value, value.range) { bytes[place] = text[offset] }
        } else {
            replace(index, by: append(value.range, of: text, isNormal: isNormal))
        }
        return true
    }

    /// Takes over every field of `other` that is not null or not known here.
    mutating func merge(_ other: FieldBag) {
        losses.formUnion(other.losses)
        let text = other.bytes.span
        for field in other.fields {
            if let index = fields.firstIndex(where: { bytes.equals(field.key.quoted, of: text, at: $0.key.quoted) }) {
                let value = other.bytes[field.value]
                if value.elementsEqual("null".utf8) || value.elementsEqual(#""""#.utf8) { continue }
                replace(index, by: append(field.value, of: text, isNormal: true))
            } else {
                append(field.key, field.value, of: text, isNormal: true)
            }
        }
    }

    /// The JSON text of a field; `nil` if it never came or was always null.
    func value(_ name: StaticString) -> [UInt8]? {
        let text = bytes.span
        for field in fields where field.key.equals(name, in: text) {
            if text[field.value.lowerBound] != UInt8(ascii: "n") { return [UInt8](copying: text, field.value) }
        }
        return nil
    }

    /// Appends `"key":value` for each field, with commas, also in front unless they are the object's first members.
    func append(to object: inout [UInt8], except excluded: [StaticString] = [], isFirst: Bool? = nil) {
        var isFirst = isFirst ?? (object.last == UInt8(ascii: "{"))
        for field in fields {
            if excluded.contains(where: { field.key.equals($0, in: bytes.span) }) { continue }
            if !isFirst { object.append(UInt8(ascii: ",")) }
            isFirst = false
            JSONNormalizer.append(field.key.quoted, of: bytes.span, to: &object)
            object.append(UInt8(ascii: ":"))
            object.append(contentsOf: bytes[field.value])
        }
    }

    private func index(of key: Range<Int>, in text: Span<UInt8>) -> Int? {
        if next < fields.count && bytes.equals(key, of: text, at: fields[next].key.quoted) { return next }
        return fields.firstIndex { bytes.equals(key, of: text, at: $0.key.quoted) }
    }

    /// Appends a field.
    private mutating func append(_ key: JSONString, _ value: Range<Int>, of text: Span<UInt8>, isNormal: Bool) {
        let start = bytes.count
        bytes.append(copying: text, key.quoted)
        let copy = JSONString(quoted: start..<bytes.count, hasEscapes: key.hasEscapes)
        fields.append(Field(key: copy, value: append(value, of: text, isNormal: isNormal)))
    }

    /// Appends a value, normalized unless it is normal; answers its place.
    private mutating func append(_ value: Range<Int>, of text: Span<UInt8>, isNormal: Bool) -> Range<Int> {
        let start = bytes.count
        if isNormal {
            bytes.append(copying: text, value)
        } else {
            losses.formUnion(JSONNormalizer.append(value, of: text, to: &bytes))
        }
        return start..<bytes.count
    }

    private mutating func replace(_ index: Int, by value: Range<Int>) {
        unused += fields[index].value.count
        fields[index].value = value
        if unused > Self.tolerated && unused > bytes.count / 2 { removeUnused() }
    }

    private mutating func removeUnused() {
        var rest: [UInt8] = []
        rest.reserveCapacity(bytes.count - unused)
        for index in fields.indices {
            let start = rest.count
            rest.append(contentsOf: bytes[fields[index].key.quoted])
            let middle = rest.count
            rest.append(contentsOf: bytes[fields[index].value])
            let key = JSONString(quoted: start..<middle, hasEscapes: fields[index].key.hasEscapes)
            fields[index] = Field(key: key, value: middle..<rest.count)
        }
        bytes = rest
        unused = 0
    }
}

extension JSONNormalizer {
    /// The value in `range`, normalized; what is lost by that is added to `losses`.
    static func normalized(_ range: Range<Int>, of text: Span<UInt8>, losses: inout Losses) -> [UInt8] {
        var copy: [UInt8] = []
        copy.reserveCapacity(range.count)
        losses.formUnion(append(range, of: text, to: &copy))
        return copy
    }
}
