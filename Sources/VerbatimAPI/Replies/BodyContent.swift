import VerbatimJSON

/// What a body holds that is not a JSON document.
enum BodyContent {
    /// An object of that length, followed by `data: [DONE]`, as gateways add it to replies that they mistake for
    /// streams.
    case object(length: Int)
    /// Objects among other text.
    case objects
    /// No complete object.
    case other

    init(_ body: Span<UInt8>) {
        var splitter = DocumentSplitter()
        var start = 0
        while start < body.count, let unit = splitter.nextUnit(in: body.extracting(start..<body.count)) {
            start += unit.length
            guard unit.kind == .document else { continue }
            let isFirst = start == unit.length
            self = isFirst && Self.isDone(body.extracting(start..<body.count)) ? .object(length: start) : .objects
            return
        }
        self = .other
    }

    private static func isDone(_ rest: Span<UInt8>) -> Bool {
        let rest = String(copying: rest, 0..<rest.count).filter { !$0.isWhitespace }
        return rest.isEmpty || rest == "data:[DONE]" || rest == "[DONE]"
    }
}
