import VerbatimJSON

/// A JSON object that comes in many instalments.
///
/// Keys keep the order in which they first came, and values keep their own text. A field is either set, so that the
/// last value counts, or grown, so that texts and lists continue. A null never takes the place of another value.
struct DeltaAccumulator: Sendable {
    private typealias Field = DeltaField

    /// Most fields that are kept. No engine sends a tenth of that.
    private static let limit = 1024
    /// Values that are nested more deeply are replaced and not continued.
    private static let depthLimit = 16
    /// So many entries of a list, from its end, are searched for an index.
    private static let entriesSearched = 64

    private var fields: [Field] = []
    /// The `index` of an entry of a list.
    private var index: Int?
    private var places = KeyPlaces()
    /// The place that stands for all fields beyond the limit. What it holds is not written.
    private var overflow: Int?
    private(set) var losses: JSONNormalizer.Losses = []
    /// The number of the instalment that is being read.
    private var instalment: UInt32 = 0
    /// Where the next key is expected: instalments mostly repeat the same keys in the same order.
    private var next = 0

    init() {}

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
            if let known = places.place(of: key, in: text) { return known }
            let first = fields.prefix(KeyPlaces.start)
            return first.indices.first { fields[$0].key.bytes.equals(key.quoted, of: text) } ?? overflow
        }
    }

    /// Adds a field that is null so far. Returns its place.
    @discardableResult
    mutating func add(_ key: JSONString, of text: Span<UInt8>) -> Int {
        if fields.count >= Self.limit { return noteOverflow() }
        let sent = [UInt8](copying: text, key.quoted)
        var name: [UInt8] = []
        losses.formUnion(JSONNormalizer.append(sent.indices, of: sent.span, to: &name))
        append(Field(key: Field.Key(bytes: sent, hasEscapes: key.hasEscapes), name: name == sent ? sent : name))
        return fields.count - 1
    }

    private mutating func append(_ field: Field) {
        places.add(field.key.bytes, at: fields.count)
        fields.append(field)
    }

    private mutating func noteOverflow() -> Int {
        losses.insert(.fieldsBeyondLimit)
        if let overflow { return overflow }
        // No reply can have this key, so that no lookup finds the field.
        let key = Array(#""""#.utf8)
        fields.append(Field(key: Field.Key(bytes: key, hasEscapes: false), name: key))
        overflow = fields.count - 1
        return fields.count - 1
    }

    /// Sets a field, unless the value is null.
    ///
    /// - Parameter isNormal: Whether the value needs no normalizing.
    /// - Returns: Whether this instalment has changed the value of a field that had one.
    @discardableResult
    mutating func set(_ key: JSONString, _ value: JSONValue, of text: Span<UInt8>, isNormal: Bool = false) -> Bool {
        guard let place = place(of: key, in: text) else {
            let place = add(key, of: text)
            next = fields.count
            if !value.isNull { set(value, at: place, of: text, isNormal: isNormal) }
            return false
        }
        next = place + 1
        if value.isNull || place == overflow { return false }
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
        if place == overflow { return }
        fields[place].kind = .list
        losses.formUnion(fields[place].list.append(element.range, of: text))
    }

    /// Continues an object with the members of another one, which is a JSON value. Texts and objects in it are
    /// continued too, but what identifies it is replaced.
    private mutating func grow(members object: JSONValue, of text: Span<UInt8>, depth: Int) {
        var cursor = JSONCursor(at: object.range.lowerBound, options: .nonFiniteNumbers)
        guard (try? cursor.enterObject(in: text)) != nil else { return }
        while let key = try? cursor.nextKey(in: text), let value = try? cursor.skipValue(in: text) {
            if let place = place(of: key, in: text) {
                growMember(at: place, value, of: text, depth: depth)
            } else {
                grow(value, at: add(key, of: text), of: text, depth: depth)
            }
        }
    }

    /// Continues a member of an object that comes in instalments.
    ///
    /// `index` and `type` say which object it is, and a name or an id that comes again as a whole is a repetition.
    private mutating func growMember(at place: Int, _ value: JSONValue, of text: Span<UInt8>, depth: Int) {
        let key = fields[place].key
        if key.isNamed("index") || key.isNamed("type") {
            if !value.isNull { set(value, at: place, of: text) }
        } else if value.kind == .string, key.isNamed("name") || key.isNamed("id"),
            fields[place].json == JSONNormalizer.normalized(value.range, of: text)
        {
            return
        } else {
            grow(value, at: place, of: text, depth: depth)
        }
    }

    /// Continues the object with the fields of a further instalment, whose values are as sent. An `id` is replaced.
    mutating func merge(_ other: DeltaAccumulator) {
        losses.formUnion(other.losses)
        for (source, field) in other.fields.enumerated() where source != other.overflow {
            let key = JSONString(quoted: field.key.bytes.indices, hasEscapes: field.key.hasEscapes)
            guard let place = place(of: key, in: field.key.bytes.span) else {
                if fields.count < Self.limit { append(field) } else { _ = noteOverflow() }
                continue
            }
            if place == overflow || field.kind == .null || field.value.equals(#""""#) { continue }
            var cursor = JSONCursor(options: .nonFiniteNumbers)
            if !field.key.isNamed("id"), let value = try? cursor.skipValue(in: field.value.span) {
                growMember(at: place, value, of: field.value.span, depth: 1)
            } else {
                fields[place] = field
            }
        }
    }

    // MARK: Fields by their place

    /// Sets the field at `place`.
    mutating func set(_ value: JSONValue, at place: Int, of text: Span<UInt8>, isNormal: Bool = false) {
        if place == overflow { return }
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
    mutating func grow(_ value: JSONValue, at place: Int, of text: Span<UInt8>, depth: Int = 0) -> Bool {
        if place == overflow { return false }
        switch (value.kind, fields[place].kind) {
        case (.null, _): return false
        case (.string, .null), (.string, .text):
            let string = JSONString(quoted: value.range, hasEscapes: true)
            fields[place].kind = .text
            losses.formUnion(fields[place].text.append(contentOf: string, of: text))
            return !string.content.isEmpty
        case (.string, .value) where fields[place].value.first == UInt8(ascii: "\""):
            let known = fields[place].value
            fields[place].value = []
            fields[place].kind = .null
            grow(JSONValue(kind: .string, range: known.indices), at: place, of: known.span)
            return grow(value, at: place, of: text)
        case (.array, .null), (.array, .list), (.array, .entries):
            let known = fields[place].list.count + fields[place].objects.count
            if fields[place].kind == .null { fields[place].kind = .list }
            appendElements(of: value, at: place, of: text, depth: depth)
            return fields[place].list.count + fields[place].objects.count > known
        case (.object, .value) where depth < Self.depthLimit && fields[place].value.first == UInt8(ascii: "{"):
            var object = DeltaAccumulator()
            let known = fields[place].value
            object.grow(members: JSONValue(kind: .object, range: known.indices), of: known.span, depth: depth + 1)
            object.grow(members: value, of: text, depth: depth + 1)
            losses.formUnion(object.losses)
            fields[place].value = []
            fields[place].objects = [object]
            fields[place].kind = .object
            return true
        case (.object, .object):
            fields[place].objects[0].grow(members: value, of: text, depth: depth + 1)
            losses.formUnion(fields[place].objects[0].losses)
            return true
        default:
            set(value, at: place, of: text)
            return false
        }
    }

    /// Appends the elements of a list. An object with an index continues the one that has the same.
    private mutating func appendElements(of value: JSONValue, at place: Int, of text: Span<UInt8>, depth: Int) {
        var cursor = JSONCursor(at: value.range.lowerBound, options: .nonFiniteNumbers)
        // The list has been passed before, so that walking it again cannot fail.
        guard (try? cursor.enterArray(in: text)) != nil else { return }
        while (try? cursor.nextElement(in: text)) ?? false {
            guard let element = try? cursor.skipValue(in: text) else { return }
            let index = element.kind == .object && depth < Self.depthLimit ? Self.index(of: element, in: text) : nil
            if let index, fields[place].kind == .entries || fields[place].list.isEmpty {
                fields[place].kind = .entries
                let known = fields[place].objects.suffix(Self.entriesSearched).lastIndex { $0.index == index }
                if known == nil { fields[place].objects.append(DeltaAccumulator(index: index)) }
                let entry = known ?? fields[place].objects.count - 1
                fields[place].objects[entry].grow(members: element, of: text, depth: depth + 1)
                losses.formUnion(fields[place].objects[entry].losses)
            } else {
                if fields[place].kind == .entries { endEntries(at: place) }
                losses.formUnion(fields[place].list.append(element.range, of: text))
            }
        }
    }

    private init(index: Int) { self.index = index }

    /// The list goes on with elements that have no index.
    private mutating func endEntries(at place: Int) {
        for entry in fields[place].objects { fields[place].list.append(entry.json()) }
        fields[place].objects = []
        fields[place].kind = .list
    }

    private static func index(of object: JSONValue, in text: Span<UInt8>) -> Int? {
        var cursor = JSONCursor(at: object.range.lowerBound, options: .nonFiniteNumbers)
        guard (try? cursor.enterObject(in: text)) != nil else { return nil }
        while let key = try? cursor.nextKey(in: text), let value = try? cursor.skipValue(in: text) {
            if key.equals("index", in: text) { return value.int(in: text) }
        }
        return nil
    }

    /// Leaves the value of the field at `place` to the caller of ``append(to:isFirst:except:replacing:external:)``.
    mutating func makeExternal(at place: Int) { fields[place].kind = .external }

    // MARK: Reading

    /// The JSON text of a field; nil if it never came or was always null.
    func value(_ name: StaticString) -> [UInt8]? {
        fields.withUnsafeBufferPointer { fields in
            let place = fields.indices.first { fields[$0].kind != .null && fields[$0].key.isNamed(name) }
            return place.map { fields[$0].json }
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
                case .null, .list, .external, .object, .entries: length
                }
            }
        }
    }

    /// The texts in fields with these names, one after the other, as JSON text without quotes.
    func text(of names: StaticString...) -> ByteRope {
        fields.withUnsafeBufferPointer { fields in
            var text = ByteRope()
            for place in fields.indices where fields[place].kind == .text {
                if names.contains(where: { fields[place].key.isNamed($0) }) { text.append(fields[place].text) }
            }
            return text
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
        for place in fields.indices where place != overflow {
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

    /// Appends the whole object.
    func appendObject(to rope: inout ByteRope) {
        rope.append("{")
        append(to: &rope, isFirst: true)
        rope.append("}")
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
