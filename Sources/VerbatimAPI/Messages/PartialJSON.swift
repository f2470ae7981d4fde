import VerbatimJSON

/// A JSON text that is streamed in pieces, each within a JSON string: `"{\"ci"`, `"ty\":\"Rome\"}"`.
struct PartialJSON: Sendable {
    private(set) var losses: JSONNormalizer.Losses = []
    /// The strings without their quotes.
    private var content: [UInt8] = []

    var isEmpty: Bool { content.isEmpty }

    /// Appends a string as a piece, and any other value but null by its JSON text.
    mutating func append(_ value: JSONValue, of text: Span<UInt8>) {
        if value.kind == .string {
            let string = JSONString(quoted: value.range, hasEscapes: true)
            losses.formUnion(JSONNormalizer.append(contentOf: string, of: text, to: &content))
        } else if !value.isNull {
            var piece: [UInt8] = []
            piece.appendJSONString(String(copying: text, value.range))
            content.append(contentsOf: piece.dropFirst().dropLast())
        }
    }

    /// The value that the pieces form. If they form none, because the stream was cut off or the model wrote invalid
    /// JSON, it is a string with the pieces.
    var json: [UInt8] {
        let quoted = [UInt8(ascii: "\"")] + content + [UInt8(ascii: "\"")]
        let string = JSONString(quoted: quoted.indices, hasEscapes: content.contains(UInt8(ascii: "\\")))
        let decoded = string.decoded(in: quoted.span)
        // A lone surrogate cannot be decoded without loss.
        if string.hasEscapes && decoded.unicodeScalars.contains("\u{FFFD}") && holdsLoneSurrogate { return quoted }
        return Self.value(Array(decoded.utf8).span) ?? quoted
    }

    /// The value of a whole document, normalized; nil if `text` is not JSON.
    private static func value(_ text: Span<UInt8>) -> [UInt8]? {
        var cursor = JSONCursor()
        guard let value = try? cursor.skipValue(in: text), (try? cursor.expectEnd(in: text)) != nil else { return nil }
        return JSONNormalizer.normalized(value.range, of: text)
    }

    private var holdsLoneSurrogate: Bool {
        var followsHighSurrogate = false
        var index = 0
        while index < content.count {
            var unit: UInt16?
            var length = 1
            if content[index] == UInt8(ascii: "\\") {
                let isUnit = content[index + 1] == UInt8(ascii: "u")
                length = isUnit ? 6 : 2
                if isUnit { unit = UInt16(String(decoding: content[index + 2..<index + 6], as: UTF8.self), radix: 16) }
            }
            let isLow = unit.map { (0xDC00..<0xE000).contains($0) } ?? false
            if isLow != followsHighSurrogate { return true }
            followsHighSurrogate = unit.map { (0xD800..<0xDC00).contains($0) } ?? false
            index += length
        }
        return followsHighSurrogate
    }
}
