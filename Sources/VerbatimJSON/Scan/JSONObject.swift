/// The members of one object in their order. They are located but not decoded.
package struct JSONObject: Hashable, Sendable {
    package struct Member: Hashable, Sendable {
        package let key: JSONString
        package let value: JSONValue
    }

    /// The bytes of the object, braces included.
    package let range: Range<Int>
    package let members: [Member]

    /// Locates the members of the object at `offset`; nil if another kind of value is there.
    package init?(
        scanning text: Span<UInt8>,
        at offset: Int = 0,
        options: JSONCursor.Options = []
    ) throws(JSONError) {
        var cursor = JSONCursor(at: offset, options: options)
        try self.init(with: &cursor, in: text)
    }

    /// Locates the members of the object at the cursor; nil if another kind of value is there.
    package init?(with cursor: inout JSONCursor, in text: Span<UInt8>) throws(JSONError) {
        guard try cursor.peekKind(in: text) == .object else { return nil }
        try self.init(scanning: text, with: &cursor)
    }

    /// Locates the members of a whole document; nil if the document is not an object. Nothing may follow it.
    package init?(document text: Span<UInt8>, options: JSONCursor.Options = []) throws(JSONError) {
        var cursor = JSONCursor(options: options)
        guard try cursor.peekKind(in: text) == .object else {
            try cursor.skipValue(in: text)
            try cursor.expectEnd(in: text)
            return nil
        }
        try self.init(scanning: text, with: &cursor)
        try cursor.expectEnd(in: text)
    }

    private init(scanning text: Span<UInt8>, with cursor: inout JSONCursor) throws(JSONError) {
        var members: [Member] = []
        let start = cursor.offset
        try cursor.enterObject(in: text)
        while let key = try cursor.nextKey(in: text) {
            members.append(Member(key: key, value: try cursor.skipValue(in: text)))
        }
        self.range = start..<cursor.offset
        self.members = members
    }

    /// The member with this name. If several have it, the last one counts.
    package func member(_ name: StaticString, in text: Span<UInt8>) -> Member? {
        for member in members.reversed() where member.key.equals(name, in: text) { return member }
        return nil
    }

    /// The member with this name, for a name that is known only at run time.
    package func member(named name: String, in text: Span<UInt8>) -> Member? {
        var name = name
        return name.withUTF8 { wanted in
            for member in members.reversed() where member.key.equals(wanted, in: text) { return member }
            return nil
        }
    }

    /// The value of the member with this name.
    package func value(_ name: StaticString, in text: Span<UInt8>) -> JSONValue? {
        member(name, in: text)?.value
    }
}
