/// Names of members that are to be found in an object of any size.
///
/// A key is compared with the names of its own length only, and never built as a string.
package struct MemberNames: Sendable {
    private struct Name: Sendable {
        /// Where its bytes are in ``MemberNames/bytes``.
        let range: Range<Int>
        /// The place of another name of the same length; nil for the last one.
        let next: Int?
    }

    /// All names, one behind the other: an array of arrays would be retained at each comparison.
    private var bytes: [UInt8] = []
    private var names: [Name] = []
    /// The place of a name of each length.
    private var firstByLength: [Int?] = [nil]
    /// What is to be found in the objects that are the values of some names.
    private var inner: [MemberNames?] = []

    /// - Parameter nested: Names to be found in objects that are members themselves, by the names of these.
    package init(_ names: some Sequence<String>, nested: [(parent: String, names: [String])] = []) {
        for name in names { _ = add(name) }
        for (parent, names) in nested {
            let place = add(parent)
            var known = inner[place] ?? MemberNames([])
            for name in names { _ = known.add(name) }
            inner[place] = known
        }
    }

    /// - Returns: The name's place.
    private mutating func add(_ name: String) -> Int {
        if let place = place(of: name) { return place }
        let length = name.utf8.count
        while firstByLength.count <= length { firstByLength.append(nil) }
        names.append(Name(range: bytes.count..<bytes.count + length, next: firstByLength[length]))
        firstByLength[length] = names.count - 1
        bytes.append(contentsOf: name.utf8)
        inner.append(nil)
        return names.count - 1
    }

    package var count: Int { names.count }

    func inner(at place: Int) -> MemberNames? { inner[place] }

    private var longest: Int { firstByLength.count - 1 }

    /// The place of a name in the list; nil if the list does not contain it.
    package func place(of name: String) -> Int? {
        var name = name
        return name.withUTF8 { place(of: $0.span, at: 0..<$0.count) }
    }

    /// The place of the name that `key` is, however it is escaped.
    package func place(of key: JSONString, in text: Span<UInt8>) -> Int? {
        if !key.hasEscapes { return place(of: text, at: key.content) }
        // No byte of a key takes more than six in a text.
        guard key.content.count <= 6 * longest else { return nil }
        return withUnsafeTemporaryAllocation(of: UInt8.self, capacity: longest + 1) { name in
            var bytes = UnescapedBytes(key.content)
            var count = 0
            while let byte = bytes.next(in: text) {
                if count == longest { return nil }
                name.initializeElement(at: count, to: byte)
                count += 1
            }
            let name = UnsafeBufferPointer(rebasing: name[..<count])
            return place(of: name.span, at: 0..<count)
        }
    }

    private func place(of text: Span<UInt8>, at range: Range<Int>) -> Int? {
        guard range.count <= longest else { return nil }
        var place = firstByLength[range.count]
        while let candidate = place {
            if equals(names[candidate].range, range, of: text) { return candidate }
            place = names[candidate].next
        }
        return nil
    }

    private func equals(_ name: Range<Int>, _ range: Range<Int>, of text: Span<UInt8>) -> Bool {
        var offset = 0
        while offset < name.count {
            if bytes[name.lowerBound &+ offset] != text[range.lowerBound &+ offset] { return false }
            offset &+= 1
        }
        return true
    }
}
