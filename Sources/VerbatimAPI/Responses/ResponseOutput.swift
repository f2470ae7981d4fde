import VerbatimJSON

/// The member `output` of a response, put together from what the response says and what came before it.
///
/// What the response says of an item that it contains counts. Items that came and are missing in it are added: the
/// ChatGPT backend of Codex ends each stream that it does not store with an empty list.
struct ResponseOutput {
    /// The JSON text of the list; nil if the response has all that came.
    private(set) var json: [UInt8]?
    /// Whether an item that came and is the response's differ in a text.
    private(set) var isContradicted = false
    /// Whether an item was added that was never finished.
    private(set) var hasUnfinishedItems = false

    /// - Parameter isFinal: Whether the response ended. If not, items count that were announced and have no content.
    init(of response: [UInt8], items: ResponseItems, isFinal: Bool) {
        guard let object = try? JSONObject(document: response.span) else { return }
        let output = object.value("output", in: response.span)
        var sent = (output?.elements(in: response.span) ?? []).map { Element($0, of: response.span) }
        var isChanged = output?.kind != .array && (!isFinal || !items.items.isEmpty)
        let streamed = items.ordered.filter { !isFinal || $0.hasContent }.map { (item: $0, json: $0.json) }
        let places = Self.places(of: streamed.map { Element(json: $0.json) }, among: sent)
        var missing: [(before: Int, number: Int)] = []
        // A missing item stands before the next one that is there.
        var next = sent.count
        for (number, place) in places.enumerated().reversed() {
            if let place { next = place } else { missing.append((next, number)) }
        }
        for (number, place) in places.enumerated() {
            guard let place else { continue }
            let before = sent[place].json
            if sent[place].json.complete(with: streamed[number].json) { isContradicted = true }
            if sent[place].json != before { isChanged = true }
        }
        if missing.isEmpty && !isChanged { return }
        var list = JSONList()
        missing.reverse()
        var rest = missing[...]
        for place in 0...sent.count {
            while let first = rest.first, first.before == place {
                list.append(streamed[first.number].json)
                if !streamed[first.number].item.isDone { hasUnfinishedItems = true }
                rest.removeFirst()
            }
            if place < sent.count { list.append(sent[place].json) }
        }
        json = list.array
    }

    /// Finds for each streamed item the one in the response: by its id, or by the id of the call, or else by the order
    /// of the items of the same type, since some engines give items other ids at the end.
    private static func places(of streamed: [Element], among sent: [Element]) -> [Int?] {
        var places = [Int?](repeating: nil, count: streamed.count)
        var isTaken = [Bool](repeating: false, count: sent.count)
        for key in [\Element.id, \Element.callID] {
            var known: [[UInt8]: Int] = [:]
            for (place, element) in sent.enumerated().reversed() where !isTaken[place] {
                if let value = element[keyPath: key] { known[value] = place }
            }
            for (number, element) in streamed.enumerated() where places[number] == nil {
                guard let value = element[keyPath: key], let place = known.removeValue(forKey: value) else { continue }
                places[number] = place
                isTaken[place] = true
            }
        }
        var free: [[UInt8]: [Int]] = [:]
        for (place, element) in sent.enumerated().reversed() where !isTaken[place] {
            free[element.type, default: []].append(place)
        }
        for (number, element) in streamed.enumerated() where places[number] == nil {
            places[number] = free[element.type]?.popLast()
        }
        return places
    }

    /// An item and what identifies it.
    private struct Element {
        var json: [UInt8]
        var type: [UInt8] = []
        var id: [UInt8]?
        var callID: [UInt8]?

        init(_ value: JSONValue, of text: Span<UInt8>) { self.init(json: value.bytes(in: text)) }

        init(json: [UInt8]) {
            self.json = json
            let text = json.span
            guard let object = try? JSONObject(document: text) else { return }
            func string(_ name: StaticString) -> [UInt8]? {
                guard let value = object.value(name, in: text), value.kind == .string, value.range.count > 2 else {
                    return nil
                }
                return value.bytes(in: text)
            }
            type = string("type") ?? []
            id = string("id")
            callID = string("call_id")
        }
    }
}
