/// Replacements of ranges in a text. All other bytes stay as they are.
///
/// Edits may be added in any order but must not overlap.
package struct JSONEdits: Sendable {
    package enum Replacement: Hashable, Sendable {
        case nothing
        case null
        case bytes([UInt8])
    }

    package struct Edit: Hashable, Sendable {
        package let range: Range<Int>
        package let replacement: Replacement

        /// An insertion comes before a replacement at the same offset.
        fileprivate func precedes(_ other: Edit) -> Bool {
            (range.lowerBound, range.upperBound) < (other.range.lowerBound, other.range.upperBound)
        }
    }

    package private(set) var edits: [Edit] = []

    package init() {}

    package var isEmpty: Bool { edits.isEmpty }

    package mutating func removeAll() {
        // Most events have at most three edits. To remove them one by one is cheaper than
        // `removeAll(keepingCapacity:)`.
        while edits.popLast() != nil {}
    }

    // MARK: Adding edits

    package mutating func replace(_ range: Range<Int>, with replacement: Replacement) {
        edits.append(Edit(range: range, replacement: replacement))
    }

    package mutating func insert(_ bytes: [UInt8], at offset: Int) {
        replace(offset..<offset, with: .bytes(bytes))
    }

    /// Changes members of `object`: sets those in `values` to their JSON text, in place or after the last member, and
    /// removes those in `removed`. It must be called at most once for an object.
    package mutating func update(
        _ object: JSONObject,
        of text: Span<UInt8>,
        setting values: [(name: String, value: [UInt8])],
        removing removed: [String] = []
    ) {
        var removedKeys: Set<JSONString> = []
        for name in removed {
            let name = Array(name.utf8)
            for member in object.members where member.key.equals(name, in: text) { removedKeys.insert(member.key) }
        }
        var added: [(name: String, value: [UInt8])] = []
        for (name, value) in values {
            if let member = object.member(named: name, in: text), !removedKeys.contains(member.key) {
                replace(member.value.range, with: .bytes(value))
            } else {
                added.append((name, value))
            }
        }
        if !removedKeys.isEmpty { remove(from: object) { removedKeys.contains($0.key) } }
        append(
            added, at: object.members.last?.value.range.upperBound ?? object.range.lowerBound + 1,
            followsMember: removedKeys.count < object.members.count)
    }

    /// Sets members of `object` to their JSON text, in place or after the last member. It must be called at most once
    /// for an object.
    package mutating func update(
        _ object: SelectedMembers, of text: Span<UInt8>, setting values: [(name: String, value: [UInt8])]
    ) {
        var added: [(name: String, value: [UInt8])] = []
        for (name, value) in values {
            if let known = object.value(name, in: text) {
                replace(known.range, with: .bytes(value))
            } else {
                added.append((name, value))
            }
        }
        append(
            added, at: object.endOfMembers ?? object.range.lowerBound + 1, followsMember: object.endOfMembers != nil)
    }

    private mutating func append(
        _ members: [(name: String, value: [UInt8])],
        at offset: Int,
        followsMember: Bool
    ) {
        var bytes: [UInt8] = []
        for member in members {
            if followsMember || !bytes.isEmpty { bytes.append(UInt8(ascii: ",")) }
            bytes.appendJSONString(member.name)
            bytes.append(UInt8(ascii: ":"))
            bytes.append(contentsOf: member.value)
        }
        if bytes.isEmpty { return }
        insert(bytes, at: offset)
    }

    /// Removes the members of `object` for which `isRemoved` returns true, and their commas. `isRemoved` is called in
    /// order.
    package mutating func remove(
        from object: JSONObject,
        where isRemoved: (JSONObject.Member) -> Bool
    ) {
        var remover = MemberRemover(objectAt: object.range.lowerBound)
        for member in object.members {
            remover.visit(key: member.key, isRemoved: isRemoved(member), edits: &self)
            remover.endValue(at: member.value.range.upperBound)
        }
        remover.endObject(at: object.range.upperBound, edits: &self)
    }

    // MARK: Applying edits

    /// Passes the edited text to the closures piece by piece: ranges of the original text, and replacements.
    @inline(__always)
    package mutating func forEachPiece(
        of length: Int,
        original: (Range<Int>) -> Void,
        replacement: (Replacement) -> Void
    ) {
        if !isSorted { edits.sort { $0.precedes($1) } }
        var position = 0
        for edit in edits {
            if position < edit.range.lowerBound { original(position..<edit.range.lowerBound) }
            if edit.replacement != .nothing { replacement(edit.replacement) }
            position = edit.range.upperBound
        }
        if position < length { original(position..<length) }
    }

    private var isSorted: Bool {
        for index in edits.indices.dropFirst() where edits[index].precedes(edits[index - 1]) { return false }
        return true
    }

    /// Moves the edits to another text, which contains this one: each range becomes what `place` returns for it.
    package mutating func relocate(_ place: (Range<Int>) -> Range<Int>) {
        for index in edits.indices {
            edits[index] = Edit(range: place(edits[index].range), replacement: edits[index].replacement)
        }
    }

    /// Returns the length of a text of `length` bytes after the edits.
    package func editedLength(of length: Int) -> Int {
        edits.reduce(length) { length, edit in
            switch edit.replacement {
            case .nothing: length - edit.range.count
            case .null: length - edit.range.count + 4
            case .bytes(let bytes): length - edit.range.count + bytes.count
            }
        }
    }

    /// Returns the edited text.
    package mutating func applied(to text: Span<UInt8>) -> [UInt8] {
        var result: [UInt8] = []
        result.reserveCapacity(editedLength(of: text.count))
        forEachPiece(of: text.count) { range in
            result.append(copying: text, range)
        } replacement: { replacement in
            switch replacement {
            case .nothing: break
            case .null: result.append(contentsOf: "null".utf8)
            case .bytes(let bytes): result.append(contentsOf: bytes)
            }
        }
        return result
    }
}
