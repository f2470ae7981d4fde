/// A text and the edits that it goes through. The edited text is only made when it is wanted, or piece by piece.
package struct EditedText: Sendable {
    private enum Piece: Sendable {
        case original(Range<Int>)
        case inserted([UInt8])

        var count: Int {
            switch self {
            case .original(let range): range.count
            case .inserted(let bytes): bytes.count
            }
        }
    }

    private let original: [UInt8]
    /// Empty if there are no edits.
    private var pieces: [Piece] = []
    /// The length of the edited text, in bytes.
    package let count: Int

    package init(_ text: [UInt8]) {
        original = text
        count = text.count
    }

    package init(_ text: [UInt8], edits: JSONEdits) {
        original = text
        count = edits.editedLength(of: text.count)
        if edits.isEmpty { return }
        var edits = edits
        var pieces: [Piece] = []
        edits.forEachPiece(of: text.count) { range in
            pieces.append(.original(range))
        } replacement: { replacement in
            switch replacement {
            case .nothing: break
            case .null: pieces.append(.inserted(Array("null".utf8)))
            case .bytes(let bytes): pieces.append(.inserted(bytes))
            }
        }
        self.pieces = pieces
    }

    /// The whole edited text.
    package var bytes: [UInt8] {
        if pieces.isEmpty { return original }
        var result: [UInt8] = []
        result.reserveCapacity(count)
        forEachPiece(of: 0..<count) { result.append(contentsOf: $0) }
        return result
    }

    /// Passes a part of the edited text to the closure piece by piece.
    package func forEachPiece(of part: Range<Int>, _ body: (UnsafeBufferPointer<UInt8>) -> Void) {
        if pieces.isEmpty { return Self.pass(original, part, body) }
        var start = 0
        for piece in pieces {
            let end = start + piece.count
            let from = max(start, part.lowerBound) - start
            let to = min(end, part.upperBound) - start
            if from < to {
                switch piece {
                case .original(let range): Self.pass(original, range.lowerBound + from..<range.lowerBound + to, body)
                case .inserted(let bytes): Self.pass(bytes, from..<to, body)
                }
            }
            start = end
            if start >= part.upperBound { return }
        }
    }

    private static func pass(_ bytes: [UInt8], _ range: Range<Int>, _ body: (UnsafeBufferPointer<UInt8>) -> Void) {
        bytes.withUnsafeBufferPointer { body(UnsafeBufferPointer(rebasing: $0[range])) }
    }
}
