import VerbatimJSON

/// The output of a stream so far, for the record of a stream that is cut off.
///
/// `response.output_item.done` has the whole item. Until it comes, an item is what `…added` had, with the text so far.
struct ResponseItems: Sendable {
    /// The part of an item that a delta belongs to.
    enum PieceKind: Sendable {
        case text, refusal, reasoning, summary, arguments, input

        /// Whether it is visible text, for which engines send log-probabilities.
        var isVisible: Bool { self == .text || self == .refusal }
    }

    /// What identifies the item of an event.
    struct Place {
        var index: Int?
        var id: JSONValue?
    }

    fileprivate struct Piece: Sendable {
        let kind: PieceKind
        let index: Int
        /// A JSON string without its quotes.
        var content: [UInt8] = []
    }

    fileprivate struct Item: Sendable {
        var index: Int?
        /// As sent, quotes included.
        var id: [UInt8]?
        var sent: [UInt8]?
        var isDone = false
        var pieces: [Piece] = []
    }

    private var items: [Item] = []

    // MARK: Reading

    /// Stores an item as it was sent, normalized.
    mutating func put(_ item: [UInt8], isDone: Bool, at place: Place, of text: Span<UInt8>) {
        let slot = slot(of: place, in: text)
        if items[slot].isDone && !isDone { return }
        items[slot].sent = item
        if isDone {
            items[slot].isDone = true
            items[slot].pieces = []
        }
    }

    /// Continues a piece of an item.
    mutating func append(
        _ delta: JSONString, to kind: PieceKind, index: Int, at place: Place, of text: Span<UInt8>
    ) -> JSONNormalizer.Losses {
        let slot = slot(of: place, in: text)
        if items[slot].isDone { return [] }
        let piece: Int
        if let known = items[slot].pieces.lastIndex(where: { $0.kind == kind && $0.index == index }) {
            piece = known
        } else {
            piece = items[slot].pieces.count
            items[slot].pieces.append(Piece(kind: kind, index: index))
        }
        return JSONNormalizer.append(contentOf: delta, of: text, to: &items[slot].pieces[piece].content)
    }

    /// Finds an item by its index, or by its id from servers that send no index, like llama.cpp. Without both it is the
    /// last item.
    private mutating func slot(of place: Place, in text: Span<UInt8>) -> Int {
        var known: Int?
        if let index = place.index {
            known = items.lastIndex { $0.index == index }
        } else if let id = place.id {
            known = items.lastIndex { $0.id.map { Self.equal($0, id.range, in: text) } ?? false }
        } else {
            known = items.indices.last
        }
        if let known { return known }
        let id = place.id.map { JSONNormalizer.normalized($0.range, of: text) }
        items.append(Item(index: place.index, id: id))
        return items.count - 1
    }

    private static func equal(_ bytes: [UInt8], _ range: Range<Int>, in text: Span<UInt8>) -> Bool {
        bytes.count == range.count && text.extracting(range).withUnsafeBufferPointer { $0.elementsEqual(bytes) }
    }

    // MARK: Result

    /// The member `output` of a response.
    var array: [UInt8] {
        var list = JSONList()
        let order = items.indices.sorted { (items[$0].index ?? $0, $0) < (items[$1].index ?? $1, $1) }
        for slot in order { list.append(items[slot].json) }
        return list.array
    }
}

extension ResponseItems.Item {
    fileprivate var json: [UInt8] {
        let sent = sent ?? unannounced
        guard !pieces.isEmpty, let object = try? JSONObject(document: sent.span) else { return sent }
        var members: [(name: String, value: [UInt8])] = []
        for name in ["summary", "content", "arguments", "input"] {
            let pieces = pieces.filter { $0.kind.member == name }.sorted { $0.index < $1.index }
            if pieces.isEmpty { continue }
            if let text = pieces.first, text.kind.partType == nil {
                members.append((name, text.quoted))
            } else {
                var list = JSONList()
                for piece in pieces { list.append(piece.part) }
                members.append((name, list.array))
            }
        }
        var edits = JSONEdits()
        edits.update(object, of: sent.span, setting: members)
        return edits.applied(to: sent.span)
    }

    /// An item for which only deltas came.
    private var unannounced: [UInt8] {
        var object = Array("{".utf8)
        if let id {
            object.appendJSONKey("id")
            object.append(contentsOf: id)
        }
        object.appendJSONKey("type")
        object.appendJSONString(pieces.first?.kind.itemType ?? "message")
        object.append(UInt8(ascii: "}"))
        return object
    }
}

extension ResponseItems.Piece {
    fileprivate var quoted: [UInt8] { [UInt8(ascii: "\"")] + content + [UInt8(ascii: "\"")] }

    /// An element of `content` or `summary`.
    fileprivate var part: [UInt8] {
        var object = Array("{".utf8)
        object.appendJSONKey("type")
        object.appendJSONString(kind.partType ?? "")
        object.appendJSONKey(kind == .refusal ? "refusal" : "text")
        object.append(contentsOf: quoted)
        object.append(UInt8(ascii: "}"))
        return object
    }
}

extension ResponseItems.PieceKind {
    /// The member of an item that holds the piece.
    fileprivate var member: String {
        switch self {
        case .text, .refusal, .reasoning: "content"
        case .summary: "summary"
        case .arguments: "arguments"
        case .input: "input"
        }
    }

    /// The type of the part in a list; nil if the member is a string.
    fileprivate var partType: String? {
        switch self {
        case .text: "output_text"
        case .refusal: "refusal"
        case .reasoning: "reasoning_text"
        case .summary: "summary_text"
        case .arguments, .input: nil
        }
    }

    fileprivate var itemType: String {
        switch self {
        case .text, .refusal: "message"
        case .reasoning, .summary: "reasoning"
        case .arguments: "function_call"
        case .input: "custom_tool_call"
        }
    }
}
