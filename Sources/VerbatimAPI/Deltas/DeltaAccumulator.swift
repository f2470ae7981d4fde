import VerbatimJSON

/// A JSON object that comes in many instalments.
///
/// Keys keep the order in which they first came, and values keep their own text. A field is either set, so that the
/// last value counts, or grown, so that texts and lists continue. A null never takes the place of another value.
struct DeltaAccumulator: Sendable {
    private struct Key: Sendable {
        /// As sent.
        let bytes: [UInt8]
        let hasEscapes: Bool

        func isNamed(_ wanted: StaticString) -> Bool {
            JSONString(quoted: bytes.indices, hasEscapes: hasEscapes).equals(wanted, in: bytes.span)
        }
    }

    /// To look for one by its key, go through a pointer to all: a loop over the array copies each as a whole, with its
    /// retains and releases.
    private struct Field: Sendable {
        enum Kind { case null, text, list, value, external }

        let key: Key
        /// As written to a record.
        let name: [UInt8]
        var kind = Kind.null
        /// The JSON text of a value.
        var value: [UInt8] = []
        /// What is between the quotes of a text.
        var text = ByteRope()
        var list = JSONList()
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
            case .value: object.append(value)
            }
        }
    }

    /// Most fields that can be set. No engine sends a tenth of that.
    private static let limit = 1024

    private var fields: [Field] = []
    private(set) var losses: JSONNormalizer.Losses = []
    /// The number of the instalment that is being read.
    private var instalment: UInt32 = 0
    /// Where the next key is expected: instalments mostly repeat the same keys in the same order.
    private var next = 0

    var isEmpty: Bool { fields.isEmpty }
    var fieldCount: Int { fields.count }

    mutating func beginInstalment() {
        next = 0
        instalment &+= 1
    }

    // MARK: Fields by their key

    /// The place of the field with this key, among all.
    func place(of key: JSONString, in text: Span<UInt8>) -> Int? {
        fields.withUnsafeBufferPointer { fields in
            if next < fields.count && fields[next].key.bytes.equals(key.quoted, of: text) { return next }
            return fields.indices.first { fields[$0].key.bytes.equals(key.quoted, of: text) }
        }
    }

    /// Adds a field that is null so far. Returns its place.
    @discardableResult
    mutating func add(_ key: JSONString, of text: Span<UInt8>) -> Int {
        let sent = [UInt8](copying: text, key.quoted)
        var name: [UInt8] = []
        losses.formUnion(JSONNormalizer.append(sent.indices, of: sent.span, to: &name))
        fields.append(Field(key: Key(bytes: sent, hasEscapes: key.hasEscapes), name: name == sent ? sent : name))
        return fields.count - 1
    }

    /// Sets a field, unless the value is null.
    ///
    /// - Parameter isNormal: Whether the value needs no normalizing.
    /// - Returns: Whether this instalment has changed the value of a field that had one.
    @discardableResult
    mutating func set(_ key: JSONString, _ value: JSONValue, of text: Span<UInt8>, isNormal: Bool = false) -> Bool {
        guard let place = place(of: key, in: text) else {
            if fields.count >= Self.limit { return false }
            let place = add(key, of: text)
            next = fields.count
            if !value.isNull { set(value, at: place, of: text, isNormal: isNormal) }
            return false
        }
        next = place + 1
        if value.isNull { return false }
        if fields[place].kind == .value && fields[place].value.equals(value.range, of: text) {
            return fields[place].changed == instalment
        }
        let hadValue = fields[place].kind != .null
        set(value, at: place, of: text, isNormal: isNormal)
        if hadValue { fields[place].changed = instalment }
        return hadValue
    }

    /// Continues a field: a text with a text, a list with the elements of a list. Any other value but null is set.
    mutating func grow(_ key: JSONString, _ value: JSONValue, of text: Span<UInt8>) {
        grow(value, at: place(of: key, in: text) ?? add(key, of: text), of: text)
    }

    /// Appends `element` to the list in field `name`. A value that is not a list is replaced by one.
    mutating func append(_ element: JSONValue, toList name: StaticString, of text: Span<UInt8>) {
        let key: [UInt8] = name.withUTF8Buffer { [UInt8(ascii: "\"")] + $0 + [UInt8(ascii: "\"")] }
        let sent = JSONString(quoted: key.indices, hasEscapes: false)
        let place = place(of: sent, in: key.span) ?? add(sent, of: key.span)
        fields[place].kind = .list
        losses.formUnion(fields[place].list.append(element.range, of: text))
    }

    /// Takes over every field of `other` that is not null, an empty text, or known here and null there.
    mutating func merge(_ other: DeltaAccumulator) {
        losses.formUnion(other.losses)
        for field in other.fields {
            let key = JSONString(quoted: field.key.bytes.indices, hasEscapes: field.key.hasEscapes)
            guard let place = place(of: key, in: field.key.bytes.span) else {
                fields.append(field)
                continue
            }
            if field.kind == .null || field.value.equals(#""""#) { continue }
            fields[place] = field
        }
    }

    // MARK: Fields by their place

    /// Sets the field at `place`.
    mutating func set(_ value: JSONValue, at place: Int, of text: Span<UInt8>, isNormal: Bool = false) {
        fields[place].kind = .value
        if isNormal && value.range.count == fields[place].value.count {
            // For example a time, which some engines change with every event.
            for (offset, source) in value.range.enumerated() { fields[place].value[offset] = text[source] }
            return
        }
        fields[place].value.removeAll(keepingCapacity: true)
        if isNormal {
            fields[place].value.append(copying: text, value.range)
        } else {
            losses.formUnion(JSONNormalizer.append(value.range, of: text, to: &fields[place].value))
        }
    }

    /// Continues the field at `place`.
    ///
    /// - Returns: Whether a text or a list has become longer.
    @discardableResult
    mutating func grow(_ value: JSONValue, at place: Int, of text: Span<UInt8>) -> Bool {
        switch (value.kind, fields[place].kind) {
        case (.null, _): return false
        case (.string, .null), (.string, .text):
            let string = JSONString(quoted: value.range, hasEscapes: true)
            fields[place].kind = .text
            losses.formUnion(fields[place].text.append(contentOf: string, of: text))
            return !string.content.isEmpty
        case (.array, .null), (.array, .list):
            fields[place].kind = .list
            let known = fields[place].list.count
            appendElements(of: value, at: place, of: text)
            return fields[place].list.count > known
        default:
            set(value, at: place, of: text)
            return false
        }
    }

    private mutating func appendElements(of value: JSONValue, at place: Int, of text: Span<UInt8>) {
        var cursor = JSONCursor(at: value.range.lowerBound, options: .nonFiniteNumbers)
        // The list has been passed before, so that walking it again cannot fail.
        guard (try? cursor.enterArray(in: text)) != nil else { return }
        while (try? cursor.nextElement(in: text)) ?? false {
            guard let element = try? cursor.skipValue(in: text) else { return }
            losses.formUnion(fields[place].list.append(element.range, of: text))
        }
    }

    /// Leaves the value of the field at `place` to the caller of ``append(to:isFirst:except:replacing:external:)``.
    mutating func makeExternal(at place: Int) { fields[place].kind = .external }

    // MARK: Reading

    /// The JSON text of a field; nil if it never came or was always null.
    func value(_ name: StaticString) -> [UInt8]? {
        fields.withUnsafeBufferPointer { fields in
            let place = fields.indices.first { fields[$0].kind != .null && fields[$0].key.isNamed(name) }
            guard let place else { return nil }
            if fields[place].kind == .value { return fields[place].value }
            var text = ByteRope()
            fields[place].append(to: &text)
            return text.bytes
        }
    }

    func hasField(_ name: StaticString) -> Bool { fields.contains { $0.key.isNamed(name) } }

    /// Whether a field with one of these names has a text that is not empty.
    func hasText(in names: StaticString...) -> Bool {
        fields.withUnsafeBufferPointer { fields in
            fields.indices.contains { place in
                fields[place].kind == .text && !fields[place].text.isEmpty
                    && names.contains { fields[place].key.isNamed($0) }
            }
        }
    }

    /// The length of the texts and other values in fields with these names, in bytes of their JSON form without quotes.
    /// Lists do not count.
    func length(of names: StaticString...) -> Int {
        fields.withUnsafeBufferPointer { fields in
            fields.indices.reduce(0) { length, place in
                guard names.contains(where: { fields[place].key.isNamed($0) }) else { return length }
                return switch fields[place].kind {
                case .text: length + fields[place].text.count
                case .value: length + fields[place].value.count
                case .null, .list, .external: length
                }
            }
        }
    }

    func isExternal(at place: Int) -> Bool { fields[place].kind == .external }

    // MARK: Writing

    /// Appends `"key":value` for each field, with commas.
    ///
    /// - Parameters:
    ///   - isFirst: Whether nothing is in front in the same object.
    ///   - replacements: Values that take the place of a field's own, or come after all fields if there is no such
    ///     field.
    ///   - external: Appends the value of an external field by its place.
    func append(
        to object: inout ByteRope, isFirst: Bool, except excluded: [StaticString] = [],
        replacing replacements: [(name: StaticString, value: [UInt8])] = [],
        external: (Int, inout ByteRope) -> Void = { $1.append("null") }
    ) {
        var isFirst = isFirst
        for place in fields.indices {
            let field = fields[place]
            if excluded.contains(where: { field.key.isNamed($0) }) { continue }
            if !isFirst { object.append(",") }
            isFirst = false
            object.append(field.name)
            object.append(":")
            if let replacement = replacements.first(where: { field.key.isNamed($0.name) }) {
                object.append(replacement.value)
            } else if field.kind == .external {
                external(place, &object)
            } else {
                field.append(to: &object)
            }
        }
        for (name, value) in replacements where !hasField(name) {
            object.append(key: name, isFirst: isFirst)
            isFirst = false
            object.append(value)
        }
    }

    /// The whole object, with members after all fields instead of those that have their names.
    func json(appending members: [(name: StaticString, value: [UInt8])]) -> [UInt8] {
        var object = ByteRope(Array("{".utf8))
        append(to: &object, isFirst: true, except: members.map(\.name))
        for member in members {
            object.append(key: member.name, isFirst: object.count == 1)
            object.append(member.value)
        }
        object.append("}")
        return object.bytes
    }

    /// The whole object.
    func json(replacing replacements: [(name: StaticString, value: [UInt8])] = []) -> [UInt8] {
        var object = ByteRope(Array("{".utf8))
        append(to: &object, isFirst: true, replacing: replacements)
        object.append("}")
        return object.bytes
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
