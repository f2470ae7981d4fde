import VerbatimJSON

/// A request's top-level fields with changes laid over them, which become splices in the end.
struct RequestFields {
    /// The JSON text of a field as it stands now.
    struct Value: Hashable {
        let text: [UInt8]

        var isNull: Bool { text.equals("null") }
        var isTrue: Bool { text.equals("true") }
        var isFalse: Bool { text.equals("false") }
        var string: String? { value?.string(in: text.span) }
        var number: Double? { value?.double(in: text.span) }
        var isNonEmptyArray: Bool {
            guard text.first == UInt8(ascii: "[") else { return false }
            var cursor = JSONCursor()
            guard (try? cursor.enterArray(in: text.span)) != nil else { return false }
            return (try? cursor.nextElement(in: text.span)) ?? false
        }

        /// Whether it is a list that holds the string `member`.
        func holds(_ member: String) -> Bool {
            guard text.first == UInt8(ascii: "[") else { return false }
            var cursor = JSONCursor()
            guard (try? cursor.enterArray(in: text.span)) != nil else { return false }
            while (try? cursor.nextElement(in: text.span)) ?? false {
                guard let element = try? cursor.skipValue(in: text.span) else { return false }
                if element.string(in: text.span) == member { return true }
            }
            return false
        }

        private var value: JSONValue? {
            var cursor = JSONCursor()
            return try? cursor.skipValue(in: text.span)
        }
    }

    private let object: JSONObject
    private let body: [UInt8]
    /// In the order they were made; a value of `nil` removes the field.
    private var changes: [(name: String, value: [UInt8]?)] = []
    /// What `client_fields` shall say instead of a changed field: a field inside of it.
    private var nested: [String: (path: String, value: [UInt8]?)] = [:]

    init(_ document: RequestDocument) {
        object = document.object
        body = document.body
    }

    func value(_ name: String) -> Value? {
        if let change = changes.first(where: { $0.name == name }) { return change.value.map(Value.init(text:)) }
        return original(name).map(Value.init(text:))
    }

    /// A member of the object in field `parent`.
    func value(_ name: String, in parent: String) -> Value? {
        guard let parent = value(parent), let object = try? JSONObject(document: parent.text.span) else { return nil }
        return (object.member(named: name, in: parent.text.span)?.value.bytes(in: parent.text.span)).map(Value.init)
    }

    mutating func set(_ name: String, to value: [UInt8]) { change(name, to: value) }

    mutating func remove(_ name: String) { change(name, to: nil) }

    /// Gives the object in field `parent` the member `name`, unless it has it. An absent or null parent becomes an
    /// object; anything else is left for the engine to refuse.
    mutating func setNested(_ name: String, in parent: String, to value: String) {
        if self.value(name, in: parent) == nil { setMember(name, of: parent, to: Array(value.utf8)) }
    }

    /// Appends the string `member` to the list in field `list`, unless it is there. An absent or null list becomes one;
    /// anything else is left for the engine to refuse.
    mutating func append(_ member: String, toList list: String) {
        if let text = Self.list(value(list), appending: member) { set(list, to: text) }
    }

    /// The same for a list in the object in field `parent`.
    mutating func append(_ member: String, toList list: String, of parent: String) {
        if let text = Self.list(value(list, in: parent), appending: member) { setMember(list, of: parent, to: text) }
    }

    private static func list(_ list: Value?, appending member: String) -> [UInt8]? {
        var text: [UInt8] = []
        text.appendJSONString(member)
        guard let list, !list.isNull else { return Array("[".utf8) + text + Array("]".utf8) }
        guard list.text.first == UInt8(ascii: "["), !list.holds(member) else { return nil }
        return Array(list.text.dropLast()) + Array((list.isNonEmptyArray ? "," : "").utf8) + text + Array("]".utf8)
    }

    private mutating func setMember(_ name: String, of parent: String, to value: [UInt8]) {
        let isFirstChange = !changes.contains { $0.name == parent }
        let previous = self.value(name, in: parent)?.text
        if let current = self.value(parent), !current.isNull {
            guard let object = try? JSONObject(document: current.text.span) else { return }
            var edits = JSONEdits()
            edits.update(object, of: current.text.span, setting: [(name, value)])
            change(parent, to: edits.applied(to: current.text.span))
        } else {
            var text = Array("{".utf8)
            text.appendJSONString(name)
            change(parent, to: text + Array(":".utf8) + value + Array("}".utf8))
        }
        // A parent that had been replaced already is told of as a whole.
        if isFirstChange { nested[parent] = ("\(parent).\(name)", previous) }
    }

    /// The body with the changes made: the very bytes that came if there are none.
    func edited() -> [UInt8] {
        let real = realChanges
        if real.isEmpty { return body }
        var edits = JSONEdits()
        edits.update(
            object, of: body.span,
            setting: real.compactMap { change in change.value.map { (change.name, $0) } },
            removing: real.filter { $0.value == nil }.map(\.name))
        return edits.applied(to: body.span)
    }

    /// What the agent had sent in place of each change.
    var clientFields: [(name: String, value: [UInt8]?)] {
        realChanges.map { change in
            let field = nested[change.name]
            return (field?.path ?? change.name, field == nil ? original(change.name) : field?.value)
        }
    }

    private var realChanges: [(name: String, value: [UInt8]?)] {
        changes.filter { original($0.name) != $0.value }
    }

    private func original(_ name: String) -> [UInt8]? {
        object.member(named: name, in: body.span)?.value.bytes(in: body.span)
    }

    private mutating func change(_ name: String, to value: [UInt8]?) {
        if let index = changes.firstIndex(where: { $0.name == name }) {
            changes[index].value = value
        } else {
            changes.append((name, value))
        }
    }
}
