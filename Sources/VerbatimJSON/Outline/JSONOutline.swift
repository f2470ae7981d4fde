/// Where the objects and arrays of a JSON document end, found while the document is checked against the grammar of RFC
/// 8259.
///
/// A ``JSONCursor`` that follows an outline skips an object or array in one step. A document can thus be checked as a
/// whole before anything is read from it, and is still scanned only once. An outline that is used again allocates
/// nothing.
package struct JSONOutline: Sendable {
    /// The first ``count`` are the document's; the rest is room for larger documents.
    private(set) var containers: [JSONContainer] = []
    private(set) var count = 0

    /// True if each value of the document is already what ``JSONNormalizer`` would make of it, so that a plain copy
    /// will do.
    package private(set) var isNormal = false

    package init() {}

    /// Makes this the outline of `text`.
    ///
    /// - Returns: False if `text` is not one JSON document by the rules of ``JSONCursor/Options/nonFiniteNumbers``.
    package mutating func take(of text: Span<UInt8>) -> Bool {
        guard text.count < Int32.max else {
            // Offsets would not fit. Without containers, a cursor scans values as it skips them.
            self = JSONOutline()
            var cursor = JSONCursor(options: .nonFiniteNumbers)
            return (try? cursor.skipValue(in: text)) != nil && (try? cursor.expectEnd(in: text)) != nil
        }
        makeRoom(max(Self.smallestRoom, text.count / 32))
        while true {
            var scanner = DocumentScanner()
            let isValid = text.withUnsafeBufferPointer { text in
                containers.withUnsafeMutableBufferPointer { scanner.scan(text, $0) }
            }
            isNormal = scanner.isNormal
            count = scanner.count
            if isValid { return true }
            if !scanner.isFull {
                self = JSONOutline()
                return false
            }
            // Scanning again is no more work than moving the containers whenever the array doubles.
            makeRoom(2 * containers.count)
        }
    }

    private static let smallestRoom = 32

    private mutating func makeRoom(_ room: Int) {
        if containers.count >= room { return }
        containers = Array(repeating: JSONContainer(end: 0, next: 0), count: room)
    }
}

extension JSONCursor {
    /// Makes a cursor for the document that `outline` was taken of.
    package init(following outline: JSONOutline) {
        self.init(containers: outline.containers, isNormal: outline.isNormal)
    }
}
