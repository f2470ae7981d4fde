import NIOCore
import VerbatimJSON

/// The part of a request's body that has not been handed to the engine's connection. A long body is sent in parts, so
/// that it is not held a second time.
struct UnsentBody {
    /// In bytes. Most bodies are one part.
    private static let partSize = 256 << 10
    static let partsAtATime = 4

    private let content: EditedText
    private var sent = 0
    private var hasBegun = false

    init(_ content: EditedText) { self.content = content }

    /// Of the whole body, in bytes.
    var length: Int { content.count }

    var isEmpty: Bool { sent == content.count && hasBegun }

    /// The next part; nil if all have been taken.
    mutating func next() -> ByteBuffer? {
        if isEmpty { return nil }
        hasBegun = true
        let end = min(sent + Self.partSize, content.count)
        var part = ByteBuffer()
        part.reserveCapacity(end - sent)
        content.forEachPiece(of: sent..<end) { part.writeBytes($0) }
        sent = end
        return part
    }
}
