/// A JSON text on its way into a line of strict JSON.
package struct JSONText: Sendable, Equatable {
    package private(set) var rope: ByteRope
    /// Whether it may stand in the line as it is (``JSONNormalizer``).
    package let isNormal: Bool

    package init(_ bytes: [UInt8] = [], isNormal: Bool = false) {
        rope = ByteRope(bytes)
        self.isNormal = isNormal
    }

    /// A text that is put together from what is normal.
    package init(normal rope: ByteRope) {
        self.rope = rope
        isNormal = true
    }

    package var count: Int { rope.count }
    package var bytes: [UInt8] { rope.bytes }

    /// Appends it to `line`, normalized.
    package func append(to line: inout [UInt8]) -> JSONNormalizer.Losses {
        guard isNormal else {
            let bytes = bytes
            return JSONNormalizer.append(bytes.indices, of: bytes.span, to: &line)
        }
        line.append(rope)
        return []
    }
}

extension [UInt8] {
    package mutating func append(_ rope: ByteRope) { rope.forEachPiece { append(contentsOf: $0) } }
}

extension ByteRope {
    /// Appends what stands between a string's quotes, normalized.
    package mutating func append(contentOf string: JSONString, of text: Span<UInt8>) -> JSONNormalizer.Losses {
        append(about: string.content.count) { JSONNormalizer.append(contentOf: string, of: text, to: &$0) }
    }

    /// Appends `"name":`, behind a comma unless `isFirst`.
    package mutating func append(key name: StaticString, isFirst: Bool = false) {
        append(isFirst ? "\"" : ",\"")
        append(name)
        append("\":")
    }

    /// Appends the list as a JSON array.
    package mutating func append(_ list: JSONList) {
        append("[")
        append(list.rope)
        append("]")
    }
}
