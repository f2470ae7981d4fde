/// The members of an object that have certain names. However large the object is, nothing else is kept of it.
///
/// If several members have the same name, the last one counts.
package struct SelectedMembers: Sendable {
    /// The bytes of the object, braces included.
    package let range: Range<Int>
    /// The offset after the last member; nil for an object without members.
    package let endOfMembers: Int?
    private let names: MemberNames
    /// By the places of the names.
    private let members: [JSONObject.Member?]
    /// The objects among the members whose own members were to be found, by the places of their names.
    private let objects: [Int: SelectedMembers]

    /// Locates the members of a whole document; nil if the document is not an object. Nothing may follow it.
    package init?(
        document text: Span<UInt8>, named names: MemberNames, options: JSONCursor.Options = []
    ) throws(JSONError) {
        var cursor = JSONCursor(options: options)
        guard try cursor.peekKind(in: text) == .object else {
            try cursor.skipValue(in: text)
            try cursor.expectEnd(in: text)
            return nil
        }
        try self.init(with: &cursor, in: text, named: names)
        try cursor.expectEnd(in: text)
    }

    /// Locates the members of the object at the cursor.
    fileprivate init(with cursor: inout JSONCursor, in text: Span<UInt8>, named names: MemberNames) throws(JSONError) {
        var members = [JSONObject.Member?](repeating: nil, count: names.count)
        var objects: [Int: SelectedMembers] = [:]
        var end: Int?
        try cursor.enterObject(in: text)
        let start = cursor.offset - 1
        while let key = try cursor.nextKey(in: text) {
            guard let place = names.place(of: key, in: text) else {
                end = try cursor.skipValue(in: text).range.upperBound
                continue
            }
            let value: JSONValue
            if let inner = names.inner(at: place), try cursor.peekKind(in: text) == .object {
                let object = try SelectedMembers(with: &cursor, in: text, named: inner)
                objects[place] = object
                value = JSONValue(kind: .object, range: object.range)
            } else {
                value = try cursor.skipValue(in: text)
                if !objects.isEmpty { objects[place] = nil }
            }
            end = value.range.upperBound
            members[place] = JSONObject.Member(key: key, value: value)
        }
        range = start..<cursor.offset
        endOfMembers = end
        self.names = names
        self.members = members
        self.objects = objects
    }

    /// How many members are kept, those of inner objects included.
    package var count: Int { members.count { $0 != nil } + objects.values.reduce(0) { $0 + $1.count } }

    /// The member with this name. One that is not among the names is looked for in the text.
    package func member(named name: String, in text: Span<UInt8>) -> JSONObject.Member? {
        if let place = names.place(of: name) { return members[place] }
        return Self(of: JSONValue(kind: .object, range: range), in: text, named: MemberNames([name]))?.members[0]
    }

    /// The value of the member with this name.
    package func value(_ name: String, in text: Span<UInt8>) -> JSONValue? { member(named: name, in: text)?.value }

    /// The members of the object that is the value of the member with this name; nil if it is no object.
    package func object(_ name: String, in text: Span<UInt8>) -> SelectedMembers? {
        if let place = names.place(of: name), names.inner(at: place) != nil { return objects[place] }
        return value(name, in: text).flatMap { Self(of: $0, in: text, named: MemberNames([])) }
    }

    /// Locates the members of an object that has been scanned before; nil for other values.
    private init?(of value: JSONValue, in text: Span<UInt8>, named names: MemberNames) {
        guard value.kind == .object else { return nil }
        var cursor = JSONCursor(at: value.range.lowerBound, options: .scannedBefore)
        do throws(JSONError) {
            try self.init(with: &cursor, in: text, named: names)
        } catch {
            return nil
        }
    }
}
