import VerbatimJSON

/// An item of a response's output as far as it has come.
///
/// `response.output_item.done` has the whole item. Until it comes, an item is what `…added` had, with the parts and
/// texts that came since.
struct ResponseItem: Sendable {
    /// A part in one of the lists, as `response.content_part.…` or `response.reasoning_summary_part.…` had it.
    struct Part: Sendable {
        let member: StaticString
        let index: Int
        var json: [UInt8]
        /// Whether the event at its end has come.
        var isDone = false
    }

    let index: Int?
    /// The item with the same index that came before.
    let sameIndex: Int?
    /// As sent, quotes included.
    var id: [UInt8]?
    var callID: [UInt8]?
    /// The name of a call, from the end of its arguments.
    var name: [UInt8]?
    private(set) var sent: [UInt8]?
    private(set) var isDone = false
    /// Whether its texts came twice and differ.
    private(set) var isContradicted = false
    private(set) var pieces: [ResponsePiece] = []
    private(set) var parts: [Part] = []
    /// Per part of the content, the annotations that came one by one.
    private var annotations: [Int: JSONList] = [:]
    /// The place of the piece that was continued last.
    private var current = 0

    /// Most parts of an item. No engine sends a tenth of that.
    private static let limit = 1024

    init(index: Int?, sameIndex: Int?) {
        self.index = index
        self.sameIndex = sameIndex
    }

    var isAnnounced: Bool { sent != nil }

    /// Whether anything but the announcement of a message or of reasoning came.
    var hasContent: Bool {
        if isDone || !pieces.isEmpty || !parts.isEmpty { return true }
        guard let sent, let object = try? JSONObject(document: sent.span) else { return false }
        let types: [StaticString] = ["message", "reasoning"]
        let type = object.value("type", in: sent.span)
        if !types.contains(where: { type?.equals($0, in: sent.span) ?? false }) { return true }
        return ["content", "summary"].contains { (name: StaticString) in
            object.value(name, in: sent.span).map { !$0.isBlank(in: sent.span) } ?? false
        }
    }

    // MARK: Reading

    /// Takes the item as it was announced, or as it is when it is done.
    mutating func take(_ item: [UInt8], isDone: Bool) {
        if !isDone {
            sent = item
            return
        }
        let assembled = pieces.isEmpty && parts.isEmpty ? sent : json
        self.isDone = true
        sent = item
        if let assembled { complete(with: assembled) }
        pieces = []
        parts = []
        annotations = [:]
    }

    /// Takes a part of the content or of the summary, as it was announced or as it is when it is done.
    mutating func take(part: [UInt8], in member: StaticString, index: Int, isDone isPartDone: Bool) {
        if isDone { return }
        if isPartDone { takeTexts(of: part, in: member, index: index) }
        if let known = parts.lastIndex(where: { $0.index == index && $0.member.description == member.description }) {
            parts[known].json = part
            if isPartDone { parts[known].isDone = true }
        } else if parts.count < Self.limit {
            parts.append(Part(member: member, index: index, json: part, isDone: isPartDone))
        }
    }

    private mutating func takeTexts(of part: [UInt8], in member: StaticString, index: Int) {
        for place in pieces.indices {
            let piece = pieces[place]
            guard piece.index == index, piece.whole == nil, piece.kind.member.description == member.description,
                part.hasType(piece.kind.partType ?? ""), let text = part.member(piece.kind.partMember),
                text.first == UInt8(ascii: "\""), text.count > 2
            else { continue }
            pieces[place].whole = Array(text.dropFirst().dropLast())
            if pieces[place].isContradicted { isContradicted = true }
        }
    }

    mutating func take(annotation: JSONValue, index: Int, of text: Span<UInt8>) -> JSONNormalizer.Losses {
        if isDone || annotations.count >= Self.limit { return [] }
        return annotations[index, default: JSONList()].append(annotation.range, of: text)
    }

    /// Continues a text.
    mutating func append(
        _ delta: JSONString, to kind: ResponsePieceKind, index: Int, of text: Span<UInt8>
    ) -> JSONNormalizer.Losses {
        guard !isDone, let piece = piece(kind, index) else { return [] }
        return JSONNormalizer.append(contentOf: delta, of: text, to: &pieces[piece].deltas)
    }

    /// Takes a text as a whole. An empty one says nothing.
    mutating func take(
        _ whole: JSONString, as kind: ResponsePieceKind, index: Int, of text: Span<UInt8>
    ) -> JSONNormalizer.Losses {
        guard !isDone, !whole.content.isEmpty, let piece = piece(kind, index) else { return [] }
        var content: [UInt8] = []
        let losses = JSONNormalizer.append(contentOf: whole, of: text, to: &content)
        pieces[piece].whole = content
        if pieces[piece].isContradicted { isContradicted = true }
        return losses
    }

    /// The place of a piece, which is added if it is new; nil if there are too many.
    private mutating func piece(_ kind: ResponsePieceKind, _ index: Int) -> Int? {
        if current < pieces.count, pieces[current].kind == kind, pieces[current].index == index { return current }
        if let known = pieces.lastIndex(where: { $0.kind == kind && $0.index == index }) {
            current = known
        } else {
            if pieces.count >= Self.limit { return nil }
            current = pieces.count
            pieces.append(ResponsePiece(kind: kind, index: index))
        }
        return current
    }

    // MARK: Result

    /// The item with everything that has come of it.
    var json: [UInt8] {
        var item = sent ?? unannounced
        if isDone || (pieces.isEmpty && parts.isEmpty && annotations.isEmpty) { return item }
        guard let object = try? JSONObject(document: item.span) else { return item }
        var members: [(name: String, value: [UInt8])] = []
        for member in ["summary", "content"] as [StaticString] {
            if let list = list(member, after: object.value(member, in: item.span), of: item.span) {
                members.append((member.description, list))
            }
        }
        for piece in pieces where piece.kind.partType == nil {
            let start = object.value(piece.kind.member, in: item.span)?.bytes(in: item.span)
            members.append((piece.kind.member.description, piece.text(after: start)))
        }
        item.set(members)
        return item
    }

    /// A list of parts; nil if nothing came for it.
    private func list(_ member: StaticString, after value: JSONValue?, of text: Span<UInt8>) -> [UInt8]? {
        let isContent = member.description == "content"
        var elements: [(index: Int, json: [UInt8])] = []
        for (index, element) in (value?.elements(in: text) ?? []).enumerated() {
            elements.append((index, element.bytes(in: text)))
        }
        var isChanged = false
        func place(_ index: Int, _ type: StaticString?) -> Int? {
            elements.lastIndex { element in
                element.index == index && (type.map { element.json.hasType($0) } ?? true)
            }
        }
        for part in parts where part.member.description == member.description {
            isChanged = true
            if let place = place(part.index, nil) {
                elements[place].json = part.json
            } else {
                elements.append((part.index, part.json))
            }
        }
        for piece in pieces where piece.kind.member.description == member.description {
            guard let type = piece.kind.partType else { continue }
            isChanged = true
            if place(piece.index, type) == nil {
                var part = Array("{".utf8)
                part.appendJSONKey("type")
                part.appendJSONString(type.description)
                part.append(UInt8(ascii: "}"))
                elements.append((piece.index, part))
            }
            guard let place = place(piece.index, type) else { continue }
            let name = piece.kind.partMember
            elements[place].json.set([(name.description, piece.text(after: elements[place].json.member(name)))])
        }
        if isContent {
            for (index, list) in annotations {
                guard let place = place(index, nil) else { continue }
                isChanged = true
                let sent = elements[place].json.member("annotations")
                let hasAll = sent.flatMap { JSONList(array: $0.span)?.count } ?? 0 >= list.count
                if !hasAll { elements[place].json.set([("annotations", list.array)]) }
            }
        }
        if !isChanged { return nil }
        let order = elements.indices.sorted { (elements[$0].index, $0) < (elements[$1].index, $1) }
        var list = JSONList()
        for place in order { list.append(elements[place].json) }
        return list.array
    }

    /// Puts what another form of this item has in the place of members that are empty in this one. Notes whether texts
    /// that both have differ.
    mutating func complete(with other: [UInt8]) {
        guard var item = sent else { return }
        if item.complete(with: other) { isContradicted = true }
        sent = item
    }

    /// An item for which only deltas came.
    private var unannounced: [UInt8] {
        var object = Array("{".utf8)
        if let id {
            object.appendJSONKey("id")
            object.append(contentsOf: id)
        }
        object.appendJSONKey("type")
        let type = pieces.first?.kind.itemType ?? "message"
        object.appendJSONString(type.description)
        if let name {
            object.appendJSONKey("name")
            object.append(contentsOf: name)
        }
        object.append(UInt8(ascii: "}"))
        return object
    }
}

extension [UInt8] {
    /// Sets members of the object whose JSON text this is.
    mutating func set(_ members: [(name: String, value: [UInt8])]) {
        guard !members.isEmpty, let object = try? JSONObject(document: span) else { return }
        var edits = JSONEdits()
        edits.update(object, of: span, setting: members)
        self = edits.applied(to: span)
    }

    /// Whether the object whose JSON text this is has this type, or none.
    fileprivate func hasType(_ type: StaticString) -> Bool {
        guard let object = try? JSONObject(document: span) else { return false }
        return object.value("type", in: span)?.equals(type, in: span) ?? true
    }

    /// Puts the lists and texts of another form of the same item in the place of empty ones in this item. Returns
    /// whether texts that both have differ.
    mutating func complete(with other: [UInt8]) -> Bool {
        if self == other { return false }
        guard let own = try? JSONObject(document: span), let others = try? JSONObject(document: other.span) else {
            return false
        }
        var members: [(name: String, value: [UInt8])] = []
        for name in ["content", "summary", "arguments", "input", "code"] as [StaticString] {
            guard own.value(name, in: span)?.isBlank(in: span) ?? true,
                let value = others.value(name, in: other.span), !value.isBlank(in: other.span)
            else { continue }
            members.append((name.description, value.bytes(in: other.span)))
        }
        let differs = ResponseItemTexts(of: own, in: span)
            .differ(from: ResponseItemTexts(of: others, in: other.span))
        set(members)
        return differs
    }
}
