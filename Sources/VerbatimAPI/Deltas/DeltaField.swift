import VerbatimJSON

/// A member of an object that comes in instalments.
///
/// To look for one by its key, go through a pointer to all: a loop over the array copies each as a whole, with its
/// retains and releases.
struct DeltaField: Sendable {
    struct Key: Sendable {
        /// As sent.
        let bytes: [UInt8]
        let hasEscapes: Bool

        func isNamed(_ wanted: StaticString) -> Bool {
            JSONString(quoted: bytes.indices, hasEscapes: hasEscapes).equals(wanted, in: bytes.span)
        }
    }

    enum Kind { case null, text, list, value, external, object, entries }

    let key: Key
    /// As written to a record.
    let name: [UInt8]
    var kind = Kind.null
    /// The JSON text of a value.
    var value: [UInt8] = []
    /// What is between the quotes of a text.
    var text = ByteRope()
    var list = JSONList()
    /// The object, or the entries of a list that are objects with an index.
    var objects: [DeltaAccumulator] = []
    /// The instalment that changed the value last.
    var changed: UInt32 = 0

    func append(to object: inout ByteRope) {
        switch kind {
        case .null, .external: object.append("null")
        case .text:
            object.append("\"")
            object.append(text)
            object.append("\"")
        case .list: object.append(list)
        case .object: objects[0].appendObject(to: &object)
        case .entries:
            object.append("[")
            for (place, entry) in objects.enumerated() {
                if place > 0 { object.append(",") }
                entry.appendObject(to: &object)
            }
            object.append("]")
        case .value: object.append(value)
        }
    }

    /// The JSON text.
    var json: [UInt8] {
        if kind == .value { return value }
        var text = ByteRope()
        append(to: &text)
        return text.bytes
    }
}
