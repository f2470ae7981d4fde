/// Removes members of an object, and their commas, while a cursor reads the object.
///
/// Call ``visit(key:isRemoved:edits:)`` at each key, ``endValue(at:)`` after each value, and ``endObject(at:edits:)``
/// after the object.
package struct MemberRemover: Sendable {
    private var previousEnd: Int
    private var hasKept = false
    private var removedStart: Int?
    private var removesToValueEnd: Int?

    package init(objectAt opening: Int) {
        previousEnd = opening + 1
    }

    package mutating func visit(key: JSONString, isRemoved: Bool, edits: inout JSONEdits) {
        finish(nextKeyAt: key.quoted.lowerBound, edits: &edits)
        if !isRemoved {
            hasKept = true
        } else if hasKept {
            removesToValueEnd = previousEnd
        } else {
            removedStart = key.quoted.lowerBound
        }
    }

    package mutating func endValue(at end: Int) {
        previousEnd = end
    }

    package mutating func endObject(at end: Int, edits: inout JSONEdits) {
        finish(nextKeyAt: previousEnd, edits: &edits)
    }

    private mutating func finish(nextKeyAt next: Int, edits: inout JSONEdits) {
        if let start = removesToValueEnd { edits.replace(start..<previousEnd, with: .nothing) }
        if let start = removedStart { edits.replace(start..<next, with: .nothing) }
        removesToValueEnd = nil
        removedStart = nil
    }
}

extension MemberRemover {
    /// Returns a document without the members of its object that have these names. The document has been scanned
    /// before. However many members are removed, only the result takes memory.
    package static func removing(_ names: MemberNames, from text: Span<UInt8>) -> [UInt8] {
        var result: [UInt8] = []
        result.reserveCapacity(text.count)
        var position = 0
        var edits = JSONEdits()
        func apply() {
            for edit in edits.edits {
                result.append(copying: text, position..<edit.range.lowerBound)
                position = edit.range.upperBound
            }
            edits.removeAll()
        }
        var cursor = JSONCursor(options: .scannedBefore)
        do throws(JSONError) {
            try cursor.enterObject(in: text)
            var remover = MemberRemover(objectAt: cursor.offset - 1)
            while let key = try cursor.nextKey(in: text) {
                remover.visit(key: key, isRemoved: names.place(of: key, in: text) != nil, edits: &edits)
                try cursor.skipValue(in: text)
                remover.endValue(at: cursor.offset)
                if !edits.isEmpty { apply() }
            }
            remover.endObject(at: cursor.offset, edits: &edits)
            apply()
        } catch {
            // It is not what was scanned before. The caller gets what has been read.
        }
        result.append(copying: text, position..<text.count)
        return result
    }
}
