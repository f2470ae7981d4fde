import JSONBytes

/// The fields of an object that comes in many instalments, each with the last value that was not null.
///
/// Keys keep the order in which they first came.
struct FieldBag: Sendable {
    private struct Field: Sendable {
        /// As sent, quotes included.
        let key: [UInt8]
        var value: [UInt8]
    }

    /// Most fields that are kept; no engine has a tenth of that.
    private static let limit = 1024

    private var fields: [Field] = []
    private(set) var losses: JSONNormalizer.Losses = []
    /// Where the next key is expected: instalments mostly repeat the same keys in the same order.
    private var next = 0

    mutating func restart() { next = 0 }

    mutating func put(_ key: JSONString, _ value: JSONValue, of text: Span<UInt8>) {
        guard let index = index(of: key.quoted, in: text) else {
            if fields.count >= Self.limit { return }
            let value = JSONNormalizer.normalized(value.range, of: text, losses: &losses)
            fields.append(Field(key: [UInt8](copying: text, key.quoted), value: value))
            next = fields.count
            return
        }
        next = index + 1
        if value.isNull || fields[index].value.equals(value.range, of: text) { return }
        fields[index].value = JSONNormalizer.normalized(value.range, of: text, losses: &losses)
    }

    /// Takes over every field of `other` that is not null or not known here.
    mutating func merge(_ other: FieldBag) {
        losses.formUnion(other.losses)
        for field in other.fields {
            if let index = fields.firstIndex(where: { $0.key == field.key }) {
                if field.value != Array("null".utf8) && field.value != Array(#""""#.utf8) {
                    fields[index].value = field.value
                }
            } else {
                fields.append(field)
            }
        }
    }

    /// The JSON text of a field; `nil` if it never came or was always null.
    func value(_ name: StaticString) -> [UInt8]? {
        for field in fields {
            let key = JSONString(quoted: field.key.indices, hasEscapes: true)
            if key.equals(name, in: field.key.span), field.value != Array("null".utf8) { return field.value }
        }
        return nil
    }

    /// Appends `"key":value` for each field, with commas, also in front unless they are the object's first members.
    func append(to object: inout [UInt8], except excluded: [StaticString] = [], isFirst: Bool? = nil) {
        var isFirst = isFirst ?? (object.last == UInt8(ascii: "{"))
        for field in fields {
            let key = JSONString(quoted: field.key.indices, hasEscapes: true)
            if excluded.contains(where: { key.equals($0, in: field.key.span) }) { continue }
            if !isFirst { object.append(UInt8(ascii: ",")) }
            isFirst = false
            JSONNormalizer.append(field.key.indices, of: field.key.span, to: &object)
            object.append(UInt8(ascii: ":"))
            object.append(contentsOf: field.value)
        }
    }

    private func index(of key: Range<Int>, in text: Span<UInt8>) -> Int? {
        if next < fields.count && fields[next].key.equals(key, of: text) { return next }
        return fields.firstIndex { $0.key.equals(key, of: text) }
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
