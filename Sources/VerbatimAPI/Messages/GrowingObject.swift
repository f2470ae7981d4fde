import VerbatimJSON

/// A JSON object that comes in instalments. Keys keep the order in which they first came, and values their own text.
struct GrowingObject: Sendable {
    /// One field. What it holds is changed in place: it may grow with every event.
    private struct Field: Sendable {
        enum Kind { case null, text, list, value }

        /// As sent, quotes included.
        let key: [UInt8]
        /// As it stands in a record.
        var name: [UInt8] = []
        var kind = Kind.null
        /// What stands between the quotes of a text, or the JSON text of another value.
        var text: [UInt8] = []
        var list = JSONList()

        init(key: [UInt8]) { self.key = key }

        func isNamed(_ wanted: StaticString) -> Bool {
            JSONString(quoted: key.indices, hasEscapes: true).equals(wanted, in: key.span)
        }

        var json: [UInt8] {
            switch kind {
            case .null: Array("null".utf8)
            case .text: [UInt8(ascii: "\"")] + text + [UInt8(ascii: "\"")]
            case .list: list.array
            case .value: text
            }
        }
    }

    private var fields: [Field] = []
    private(set) var losses: JSONNormalizer.Losses = []

    var isEmpty: Bool { fields.isEmpty }

    // MARK: Reading

    /// Replaces a field's value, unless the new one is null.
    mutating func set(_ member: JSONObject.Member, of text: Span<UInt8>) {
        let index = index(of: member.key, in: text)
        if !member.value.isNull { set(member.value, at: index, of: text) }
    }

    /// Continues a field: a text with a text, a list with the elements of a list. Anything else is replaced, unless the
    /// new value is null.
    mutating func grow(_ member: JSONObject.Member, of text: Span<UInt8>) throws(JSONError) {
        let index = index(of: member.key, in: text)
        switch (member.value.kind, fields[index].kind) {
        case (.null, _): break
        case (.string, .null), (.string, .text):
            fields[index].kind = .text
            let string = JSONString(quoted: member.value.range, hasEscapes: true)
            losses.formUnion(JSONNormalizer.append(contentOf: string, of: text, to: &fields[index].text))
        case (.array, .null), (.array, .list):
            fields[index].kind = .list
            var cursor = JSONCursor(at: member.value.range.lowerBound, options: .nonFiniteNumbers)
            try cursor.enterArray(in: text)
            while try cursor.nextElement(in: text) {
                let element = try cursor.skipValue(in: text)
                losses.formUnion(fields[index].list.append(element.range, of: text))
            }
        default: set(member.value, at: index, of: text)
        }
    }

    /// Appends `element` to the list in field `name`, which becomes one if it is none.
    mutating func append(_ element: JSONValue, toList name: StaticString, of text: Span<UInt8>) {
        let key: [UInt8] = name.withUTF8Buffer { [UInt8(ascii: "\"")] + $0 + [UInt8(ascii: "\"")] }
        let index = index(of: JSONString(quoted: key.indices, hasEscapes: false), in: key.span)
        fields[index].kind = .list
        losses.formUnion(fields[index].list.append(element.range, of: text))
    }

    private mutating func set(_ value: JSONValue, at index: Int, of text: Span<UInt8>) {
        fields[index].kind = .value
        fields[index].text.removeAll()
        losses.formUnion(JSONNormalizer.append(value.range, of: text, to: &fields[index].text))
    }

    private mutating func index(of key: JSONString, in text: Span<UInt8>) -> Int {
        let known = fields.firstIndex { field in
            field.key.count == key.quoted.count
                && text.extracting(key.quoted).withUnsafeBufferPointer { $0.elementsEqual(field.key) }
        }
        if let known { return known }
        var field = Field(key: [UInt8](copying: text, key.quoted))
        losses.formUnion(JSONNormalizer.append(key.quoted, of: text, to: &field.name))
        fields.append(field)
        return fields.count - 1
    }

    // MARK: Result

    /// The JSON text of a field; `nil` if it never came or was always null.
    func value(_ name: StaticString) -> [UInt8]? {
        fields.first { $0.kind != .null && $0.isNamed(name) }?.json
    }

    /// The object. Values in `replacements` stand in place of a field's own, or behind all others if there is none.
    func json(replacing replacements: [(name: StaticString, value: [UInt8])] = []) -> [UInt8] {
        var object = Array("{".utf8)
        for field in fields {
            if object.count > 1 { object.append(UInt8(ascii: ",")) }
            object.append(contentsOf: field.name)
            object.append(UInt8(ascii: ":"))
            object.append(contentsOf: replacements.first { field.isNamed($0.name) }?.value ?? field.json)
        }
        for (name, value) in replacements where !fields.contains(where: { $0.isNamed(name) }) {
            object.appendJSONKey(name)
            object.append(contentsOf: value)
        }
        object.append(UInt8(ascii: "}"))
        return object
    }
}
