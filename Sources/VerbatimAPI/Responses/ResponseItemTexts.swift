import VerbatimJSON

/// The texts of an item, to be compared with those that another event has of it.
struct ResponseItemTexts {
    /// By kind, over all parts: JSON strings without their quotes.
    private var contents: [ResponsePieceKind: [UInt8]] = [:]

    init(of item: JSONObject, in text: Span<UInt8>) {
        for kind in [.arguments, .input, .code] as [ResponsePieceKind] {
            if let value = item.value(kind.member, in: text) { append(value, kind, of: text) }
        }
        for kinds in [[.text, .refusal, .reasoning, .audio, .transcript], [.summary]] as [[ResponsePieceKind]] {
            guard let list = kinds.first.flatMap({ item.value($0.member, in: text) }) else { continue }
            for part in list.objects(in: text) {
                let type = part.value("type", in: text)
                for kind in kinds {
                    guard let partType = kind.partType, type?.equals(partType, in: text) ?? false,
                        let value = part.value(kind.partMember, in: text)
                    else { continue }
                    append(value, kind, of: text)
                }
            }
        }
    }

    private mutating func append(_ value: JSONValue, _ kind: ResponsePieceKind, of text: Span<UInt8>) {
        if value.kind == .string { contents[kind, default: []].append(copying: text, value.content) }
    }

    /// Whether a text that both have is not the same.
    func differ(from other: ResponseItemTexts) -> Bool {
        contents.contains { kind, content in
            guard let other = other.contents[kind], !content.isEmpty, !other.isEmpty else { return false }
            return Self.differ(content, other, kind: kind)
        }
    }

    /// Whether two texts, JSON strings without their quotes, differ.
    ///
    /// White space at the ends does not count, since engines trim texts. In the arguments of a call no white space
    /// counts, nor how characters are escaped, since some servers write that JSON anew.
    static func differ(_ one: [UInt8], _ other: [UInt8], kind: ResponsePieceKind) -> Bool {
        one != other && comparable(one, kind) != comparable(other, kind)
    }

    private static func comparable(_ content: [UInt8], _ kind: ResponsePieceKind) -> [UInt8] {
        var bytes = decoded(content)
        if kind == .arguments { return decoded(bytes).filter { !isSpace($0) } }
        while let last = bytes.last, isSpace(last) { bytes.removeLast() }
        return Array(bytes.drop(while: isSpace))
    }

    private static func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || (0x09...0x0D).contains(byte) }

    private static func decoded(_ content: [UInt8]) -> [UInt8] {
        guard content.contains(UInt8(ascii: "\\")) else { return content }
        let quoted = [UInt8(ascii: "\"")] + content + [UInt8(ascii: "\"")]
        return Array(JSONString(quoted: quoted.indices, hasEscapes: true).decoded(in: quoted.span).utf8)
    }
}
