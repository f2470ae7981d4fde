/// Names of members that are to be found in an object of any size.
///
/// A key is compared with the names of its own length only, and never built as a string.
package struct MemberNames: Sendable {
    private var names: [[UInt8]] = []
    /// What is to be found in the objects that are the values of some names.
    private var inner: [MemberNames?] = []
    /// The places of the names of each length.
    private var placesByLength: [[Int]] = [[]]

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
        let name = Array(name.utf8)
        while placesByLength.count <= name.count { placesByLength.append([]) }
        placesByLength[name.count].append(names.count)
        names.append(name)
        inner.append(nil)
        return names.count - 1
    }

    package var count: Int { names.count }

    func inner(at place: Int) -> MemberNames? { inner[place] }

    private var longest: Int { placesByLength.count - 1 }

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
        for place in placesByLength[range.count] where names[place].equals(range, of: text) { return place }
        return nil
    }
}
