import VerbatimJSON

/// A request's top-level fields, and changes to them that become splices in the end.
struct RequestFields {
    /// A JSON value in a request. Nothing is copied until ``text`` is asked for.
    struct Value {
        private let bytes: [UInt8]
        private let value: JSONValue

        /// - Parameter bytes: The text that `value` is in.
        fileprivate init(_ value: JSONValue, of bytes: [UInt8]) {
            self.value = value
            self.bytes = bytes
        }

        /// - Parameter text: A JSON text.
        init(text: [UInt8]) {
            var cursor = JSONCursor()
            bytes = text
            value = (try? cursor.skipValue(in: text.span)) ?? JSONValue(kind: .null, range: 0..<0)
        }

        /// The JSON text of the value.
        var text: [UInt8] { value.bytes(in: bytes.span) }
        var isNull: Bool { value.isNull }
        var isTrue: Bool { value.kind == .true }
        var isFalse: Bool { value.kind == .false }
        var isArray: Bool { value.kind == .array }
        var isNumberOrBoolean: Bool { isTrue || isFalse || number != nil }
        var string: String? { value.string(in: bytes.span) }
        var number: Double? { value.double(in: bytes.span) }
        var isNonEmptyArray: Bool { firstElementKind != nil }

        /// The kind of an array's first element; nil if it is empty or the value is no array.
        var firstElementKind: JSONKind? {
            guard var cursor = enteredArray else { return nil }
            guard (try? cursor.nextElement(in: bytes.span)) ?? false else { return nil }
            return try? cursor.peekKind(in: bytes.span)
        }

        /// The number of an array's elements; nil for any other value.
        var elementCount: Int? {
            guard var cursor = enteredArray else { return nil }
            var count = 0
            while (try? cursor.nextElement(in: bytes.span)) ?? false {
                guard (try? cursor.skipValue(in: bytes.span)) != nil else { return nil }
                count += 1
            }
            return count
        }

        /// Whether the value is an array that holds the string `member`.
        func holds(_ member: String) -> Bool {
            guard var cursor = enteredArray else { return false }
            while (try? cursor.nextElement(in: bytes.span)) ?? false {
                guard let element = try? cursor.skipValue(in: bytes.span) else { return false }
                if element.string(in: bytes.span) == member { return true }
            }
            return false
        }

        /// A member of an object.
        func member(_ name: String) -> Value? {
            guard value.kind == .object,
                let object = try? JSONObject(scanning: bytes.span, at: value.range.lowerBound)
            else { return nil }
            return object.member(named: name, in: bytes.span).map { Value($0.value, of: bytes) }
        }

        fileprivate func equals(_ text: [UInt8]) -> Bool { text.equals(value.range, of: bytes.span) }

        /// A cursor after the `[` of an array.
        private var enteredArray: JSONCursor? {
            guard value.kind == .array else { return nil }
            var cursor = JSONCursor(at: value.range.lowerBound)
            return (try? cursor.enterArray(in: bytes.span)) == nil ? nil : cursor
        }
    }

    private let object: JSONObject
    private let body: [UInt8]
    /// In the order in which they were made. A nil value removes the field.
    private var changes: [(name: String, value: [UInt8]?)] = []
    /// For a changed object: the one member that has changed, which is listed in its place in `client_fields`.
    private var nested: [String: (path: String, value: [UInt8]?)] = [:]

    init(_ document: RequestDocument) {
        object = document.object
        body = document.body
    }

    func value(_ name: String) -> Value? {
        if let place = changes.firstIndex(where: { $0.name == name }) {
            return changes[place].value.map(Value.init(text:))
        }
        return original(name)
    }

    /// A member of the object in field `parent`.
    func value(_ name: String, in parent: String) -> Value? { value(parent)?.member(name) }

    mutating func set(_ name: String, to value: [UInt8]) { change(name, to: value) }

    mutating func remove(_ name: String) { change(name, to: nil) }

    /// Adds the member `name` to the object in field `parent`, unless it is there. An absent or null parent becomes an
    /// object. Any other parent stays as it is, and the engine refuses it.
    mutating func setNested(_ name: String, in parent: String, to value: String) {
        if self.value(name, in: parent) == nil { setMember(name, of: parent, to: Array(value.utf8)) }
    }

    /// Appends the string `member` to the list in field `list`, unless it is there. An absent or null field becomes a
    /// list. Any other value stays as it is, and the engine refuses it.
    mutating func append(_ member: String, toList list: String) {
        if let text = Self.list(value(list), appending: member) { set(list, to: text) }
    }

    /// Does the same for a list in the object in field `parent`.
    mutating func append(_ member: String, toList list: String, of parent: String) {
        if let text = Self.list(value(list, in: parent), appending: member) { setMember(list, of: parent, to: text) }
    }

    private static func list(_ list: Value?, appending member: String) -> [UInt8]? {
        var text: [UInt8] = []
        text.appendJSONString(member)
        guard let list, !list.isNull else { return Array("[".utf8) + text + Array("]".utf8) }
        guard list.isArray, !list.holds(member) else { return nil }
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
        // A parent that has been replaced before is listed as a whole.
        if isFirstChange { nested[parent] = ("\(parent).\(name)", previous) }
    }

    /// The body with the changes made. Without changes, it is the body that the agent sent.
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
            return (field?.path ?? change.name, field == nil ? original(change.name)?.text : field?.value)
        }
    }

    private var realChanges: [(name: String, value: [UInt8]?)] {
        changes.filter { change in
            let original = original(change.name)
            guard let original, let value = change.value else { return (original == nil) != (change.value == nil) }
            return !original.equals(value)
        }
    }

    /// A field as the agent sent it.
    private func original(_ name: String) -> Value? {
        object.member(named: name, in: body.span).map { Value($0.value, of: body) }
    }

    private mutating func change(_ name: String, to value: [UInt8]?) {
        if let index = changes.firstIndex(where: { $0.name == name }) {
            changes[index].value = value
        } else {
            changes.append((name, value))
        }
    }
}
