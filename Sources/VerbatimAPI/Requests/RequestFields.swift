import VerbatimJSON

/// A request's top-level fields, and changes to them that become splices in the end.
struct RequestFields {
    /// A change to a field, or to a member of the object in a field.
    private struct Change {
        /// The names of the field and of the member.
        let path: [String]
        /// Nil removes the field.
        var value: [UInt8]?
        /// The members for which an object was created in place of a field that was absent or null.
        var created: [String] = []

        func isOf(_ name: String) -> Bool { path.count == 1 && path[0] == name }
    }

    private let document: RequestDocument
    /// In the order in which they were made.
    private var changes: [Change] = []

    init(_ document: RequestDocument) { self.document = document }

    // MARK: Reading

    func value(_ name: String) -> Value? {
        if let place = changes.firstIndex(where: { $0.isOf(name) }) {
            return changes[place].value.map(Value.init(text:))
        }
        return original(name)
    }

    /// A member of the object in field `parent`.
    func value(_ name: String, in parent: String) -> Value? {
        if let change = changes.first(where: { $0.isOf(parent) }) {
            return change.value.flatMap { Value(text: $0).member(name) }
        }
        if let change = changes.first(where: { $0.path == [parent, name] }) {
            return change.value.map(Value.init(text:))
        }
        return original(name, in: parent)
    }

    /// A field, or a member of the object in a field.
    func value(at path: [String]) -> Value? { path.count == 1 ? value(path[0]) : value(path[1], in: path[0]) }

    /// A field as the agent sent it.
    private func original(_ name: String) -> Value? {
        document.object.value(name, in: document.body.span).map { Value($0, of: document.body) }
    }

    private func original(_ name: String, in parent: String) -> Value? {
        document.object.object(parent, in: document.body.span)?.value(name, in: document.body.span)
            .map { Value($0, of: document.body) }
    }

    // MARK: Changing

    mutating func set(_ name: String, to value: [UInt8]) { change(name, to: value) }

    mutating func remove(_ name: String) { change(name, to: nil) }

    /// Removes what an engine that ignores the case of names could take for one of these fields.
    mutating func removeOtherSpellings(of names: [String]) {
        for name in document.otherSpellings(of: names) { remove(name) }
    }

    /// Sets a field, or a member of the object in a field.
    mutating func set(_ value: [UInt8], at path: [String]) {
        if path.count == 1 { set(path[0], to: value) } else { setMember(path[1], of: path[0], to: value) }
    }

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
        guard list.isArray, !list.isTooLarge, !list.holds(member) else { return nil }
        return Array(list.text.dropLast()) + Array((list.isNonEmptyArray ? "," : "").utf8) + text + Array("]".utf8)
    }

    private mutating func setMember(_ name: String, of parent: String, to value: [UInt8]) {
        if let index = changes.firstIndex(where: { $0.isOf(parent) }), let text = changes[index].value {
            // A parent that was set before is listed as a whole.
            guard let changed = Value(text: text).setting(name, to: value) else { return }
            changes[index].value = changed
            if !changes[index].created.isEmpty { changes[index].created.append(name) }
            return
        }
        guard let current = self.value(parent), !current.isNull else {
            var text = Array("{".utf8)
            text.appendJSONString(name)
            change(parent, to: text + Array(":".utf8) + value + Array("}".utf8), creating: name)
            return
        }
        guard current.isObject else { return }
        if let index = changes.firstIndex(where: { $0.path == [parent, name] }) {
            changes[index].value = value
        } else {
            changes.append(Change(path: [parent, name], value: value))
        }
    }

    private mutating func change(_ name: String, to value: [UInt8]?, creating member: String? = nil) {
        // What was changed within the field is gone with it.
        changes.removeAll { $0.path.count == 2 && $0.path[0] == name }
        let created = member.map { [$0] } ?? []
        if let index = changes.firstIndex(where: { $0.isOf(name) }) {
            changes[index].value = value
            changes[index].created = created
        } else {
            changes.append(Change(path: [name], value: value, created: created))
        }
    }

    // MARK: The result

    /// The body with the changes made. Without changes, it is the body that the agent sent.
    func edited() -> EditedText {
        let real = realChanges
        if real.isEmpty { return EditedText(document.body) }
        let removed = real.filter { $0.value == nil }.map { $0.path[0] }
        let base = removed.isEmpty ? document : Self.removing(removed, from: document)
        var edits = JSONEdits()
        func update(_ object: SelectedMembers, _ changes: [Change]) {
            edits.update(
                object, of: base.body.span,
                setting: changes.compactMap { change in change.value.map { (change.path[change.path.count - 1], $0) } })
        }
        update(base.object, real.filter { $0.path.count == 1 })
        var inner = real.filter { $0.path.count == 2 }
        while let parent = inner.first?.path[0] {
            if let object = base.object.object(parent, in: base.body.span) {
                update(object, inner.filter { $0.path[0] == parent })
            }
            inner.removeAll { $0.path[0] == parent }
        }
        return EditedText(base.body, edits: edits)
    }

    private static func removing(_ names: [String], from document: RequestDocument) -> RequestDocument {
        let body = MemberRemover.removing(MemberNames(names), from: document.body.span)
        return (try? RequestDocument(body: body, names: document.names)) ?? document
    }

    /// What the agent had sent in place of each change.
    var clientFields: [(name: String, value: [UInt8]?)] {
        realChanges.flatMap { change -> [(name: String, value: [UInt8]?)] in
            if !change.created.isEmpty { return change.created.map { ("\(change.path[0]).\($0)", nil) } }
            return [(change.path.joined(separator: "."), original(at: change.path)?.text)]
        }
    }

    private var realChanges: [Change] {
        changes.filter { change in
            guard let original = original(at: change.path), let value = change.value else {
                return (original(at: change.path) == nil) != (change.value == nil)
            }
            return !original.equals(value)
        }
    }

    private func original(at path: [String]) -> Value? {
        path.count == 1 ? original(path[0]) : original(path[1], in: path[0])
    }
}
