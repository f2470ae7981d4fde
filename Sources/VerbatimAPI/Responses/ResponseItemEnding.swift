import VerbatimJSON

/// What ends an item of a response at any point.
struct ResponseItemEnding {
    private let item: ResponseItem
    /// The item as its end has it.
    let json: [UInt8]

    init(of item: ResponseItem) {
        self.item = item
        var json = item.json
        if !item.isDone { json.endAsIncomplete() }
        self.json = json
    }

    /// Adds the events that close what is open: texts, the parts that they are in, the item.
    func add(to events: inout NumberedEvents) {
        for part in item.parts where !part.isDone { close(part, to: &events) }
        for piece in item.pieces where piece.whole == nil && part(of: piece) == nil {
            close(piece.kind, piece.index, text: piece.text(after: start(of: piece)), to: &events)
        }
        events.add("response.output_item.done") { json in
            writeIndex(to: &json)
            json.key("item")
            json.raw(self.json)
        }
    }

    private func part(of piece: ResponsePiece) -> ResponseItem.Part? {
        item.parts.last { $0.index == piece.index && $0.member.description == piece.kind.member.description }
    }

    /// The text with which an item was announced, for texts that are members of it.
    private func start(of piece: ResponsePiece) -> [UInt8]? {
        piece.kind.partType == nil ? item.sent.flatMap { $0.member(piece.kind.member) } : nil
    }

    /// Closes a part and the texts in it. A part without deltas has the text with which it was announced.
    private func close(_ part: ResponseItem.Part, to events: inout NumberedEvents) {
        var json = part.json
        let pieces = item.pieces.filter {
            $0.index == part.index && $0.kind.member.description == part.member.description
        }
        for piece in pieces {
            json.set([(piece.kind.partMember.description, piece.text(after: json.member(piece.kind.partMember)))])
        }
        let type = part.json.member("type")
        let own = ResponsePieceKind.allCases.first { kind in
            kind.partType.map { type == Array("\"\($0)\"".utf8) } ?? false
        }
        for kind in pieces.isEmpty ? [own].compactMap(\.self) : pieces.filter({ $0.whole == nil }).map(\.kind) {
            close(kind, part.index, text: json.member(kind.partMember) ?? Array(#""""#.utf8), to: &events)
        }
        let isSummary = part.member.description == "summary"
        events.add(isSummary ? "response.reasoning_summary_part.done" : "response.content_part.done") { writer in
            writePlace(isSummary ? "summary_index" : "content_index", part.index, to: &writer)
            writer.key("part")
            writer.raw(json)
        }
    }

    /// Writes the event that has a text as a whole.
    private func close(_ kind: ResponsePieceKind, _ index: Int, text: [UInt8], to events: inout NumberedEvents) {
        let isRemote = item.sent?.member("type") == Array(#""mcp_call""#.utf8)
        let type: StaticString
        switch kind {
        case .text: type = "response.output_text.done"
        case .refusal: type = "response.refusal.done"
        case .reasoning: type = "response.reasoning_text.done"
        case .summary: type = "response.reasoning_summary_text.done"
        case .arguments: type = isRemote ? "response.mcp_call_arguments.done" : "response.function_call_arguments.done"
        case .input: type = "response.custom_tool_call_input.done"
        case .code: type = "response.code_interpreter_call_code.done"
        // Their ends have no text.
        case .audio, .transcript: return
        }
        events.add(type) { json in
            switch kind.member.description {
            case "content": writePlace("content_index", index, to: &json)
            case "summary": writePlace("summary_index", index, to: &json)
            default: writePlace(nil, index, to: &json)
            }
            if kind == .arguments, let name = item.sent?.member("name") {
                json.key("name")
                json.raw(name)
            }
            json.key(kind.wholeMember)
            json.raw(text)
            if kind == .text { json.array("logprobs") { _ in } }
        }
    }

    /// Writes where a part or a text is.
    private func writePlace(_ name: StaticString?, _ index: Int, to json: inout JSONWriter) {
        if let id = item.id {
            json.key("item_id")
            json.raw(id)
        }
        writeIndex(to: &json)
        // An engine that does not number items does not number their parts.
        if let name, item.index != nil { json.member(name, index) }
    }

    private func writeIndex(to json: inout JSONWriter) {
        if let index = item.index { json.member("output_index", index) }
    }
}

extension ResponsePieceKind {
    /// The member of the event at the end of the deltas that has the text.
    fileprivate var wholeMember: StaticString { partType == nil ? member : partMember }
}

extension [UInt8] {
    /// Sets the status of an item that was cut off. Items of some kinds have none.
    fileprivate mutating func endAsIncomplete() {
        guard let object = try? JSONObject(document: span) else { return }
        let isMessage = object.value("type", in: span)?.equals("message", in: span) ?? false
        if isMessage || object.value("status", in: span) != nil {
            set([("status", Array(#""incomplete""#.utf8))])
        }
    }
}
