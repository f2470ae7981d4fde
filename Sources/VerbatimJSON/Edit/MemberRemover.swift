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
