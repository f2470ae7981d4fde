/// A JSON text that will become part of a line of strict JSON.
package struct JSONText: Sendable, Equatable {
    package private(set) var rope: ByteRope
    /// True if it is normalized already (``JSONNormalizer``).
    package let isNormal: Bool

    package init(_ bytes: [UInt8] = [], isNormal: Bool = false) {
        rope = ByteRope(bytes)
        self.isNormal = isNormal
    }

    /// A text made of parts that are normalized already.
    package init(normal rope: ByteRope) {
        self.rope = rope
        isNormal = true
    }

    package var count: Int { rope.count }
    package var bytes: [UInt8] { rope.bytes }

    /// Appends the normalized text to `line`.
    package func append(to line: inout [UInt8]) -> JSONNormalizer.Losses {
        guard isNormal else {
            let bytes = bytes
            return JSONNormalizer.append(bytes.indices, of: bytes.span, to: &line)
        }
        line.append(rope)
        return []
    }
}

extension ByteRope {
    /// Appends the bytes between a string's quotes, normalized.
    package mutating func append(contentOf string: JSONString, of text: Span<UInt8>) -> JSONNormalizer.Losses {
        append(about: string.content.count) { JSONNormalizer.append(contentOf: string, of: text, to: &$0) }
    }

    /// Appends `"name":`, after a comma unless `isFirst`.
    package mutating func append(key name: StaticString, isFirst: Bool = false) {
        append(isFirst ? "\"" : ",\"")
        append(name)
        append("\":")
    }
}
