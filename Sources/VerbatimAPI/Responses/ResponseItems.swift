import VerbatimJSON

/// The output of a stream so far: for the record of a stream that is cut off, and for what its terminal event leaves
/// out.
struct ResponseItems: Sendable {
    /// What identifies the item of an event.
    struct Place {
        var index: Int?
        var id: JSONValue?
        var callID: JSONValue?
    }

    /// What an event does to its item.
    private enum Use { case announce, finish, change }

    private(set) var items: [ResponseItem] = []
    /// The last item with an index.
    private var byIndex: [Int: Int] = [:]
    /// The item with an id, which is as sent.
    private var byID: [[UInt8]: Int] = [:]
    /// The item of the last event.
    private var current = 0

    /// How many items with the same index are looked at.
    private static let limit = 64

    /// Whether the texts of an item came twice and differ.
    var isContradicted: Bool { items.contains(where: \.isContradicted) }

    // MARK: Reading

    /// Stores an item as it was sent, normalized.
    mutating func put(_ item: [UInt8], isDone: Bool, at place: Place, of text: Span<UInt8>) {
        let slot = slot(of: place, for: isDone ? .finish : .announce, in: text)
        if items[slot].isDone && !isDone { return }
        items[slot].take(item, isDone: isDone)
        if let callID = place.callID { items[slot].callID = callID.bytes(in: text) }
    }

    mutating func put(
        part: [UInt8], in member: StaticString, index: Int, isDone: Bool, at place: Place, of text: Span<UInt8>
    ) {
        let slot = slot(of: place, for: .change, in: text)
        items[slot].take(part: part, in: member, index: index, isDone: isDone)
    }

    mutating func put(
        annotation: JSONValue, index: Int, at place: Place, of text: Span<UInt8>
    ) -> JSONNormalizer.Losses {
        let slot = slot(of: place, for: .change, in: text)
        return items[slot].take(annotation: annotation, index: index, of: text)
    }

    /// Continues a text of an item.
    mutating func append(
        _ delta: JSONString, to kind: ResponsePieceKind, index: Int, at place: Place, of text: Span<UInt8>
    ) -> JSONNormalizer.Losses {
        let slot = slot(of: place, for: .change, in: text)
        return items[slot].append(delta, to: kind, index: index, of: text)
    }

    /// Takes a text of an item as a whole.
    mutating func put(
        _ whole: JSONString, as kind: ResponsePieceKind, index: Int, name: JSONValue?, at place: Place,
        of text: Span<UInt8>
    ) -> JSONNormalizer.Losses {
        let slot = slot(of: place, for: .change, in: text)
        if let name, name.kind == .string {
            items[slot].name = JSONNormalizer.normalized(name.range, of: text)
        }
        return items[slot].take(whole, as: kind, index: index, of: text)
    }

    // MARK: Finding items

    /// Finds the item of an event, or adds it.
    ///
    /// The index decides; servers without indices, like llama.cpp, send ids. Of several items with one index, which
    /// some gateways send, the id decides. Without both it is the last item.
    private mutating func slot(of place: Place, for use: Use, in text: Span<UInt8>) -> Int {
        let known = known(place, for: use, in: text)
        current = known ?? add(place, of: text)
        if let id = place.id, id.kind == .string, items[current].id == nil { register(id, of: text) }
        return current
    }

    private func known(_ place: Place, for use: Use, in text: Span<UInt8>) -> Int? {
        if use == .change, current < items.count, items[current].index == place.index, let id = place.id,
            items[current].id?.equals(id.range, of: text) ?? false
        {
            return current
        }
        guard let index = place.index else {
            if let id = place.id { return byID[id.bytes(in: text)] }
            return use == .announce ? nil : items.indices.last { use == .change || !items[$0].isDone }
        }
        guard let last = byIndex[index] else {
            // An item may have been announced without its index.
            return place.id.flatMap { byID[$0.bytes(in: text)] }.flatMap { items[$0].index == nil ? $0 : nil }
        }
        let candidates = Array(sequence(first: last) { items[$0].sameIndex }.prefix(Self.limit))
        if let id = place.id, let slot = candidates.first(where: { items[$0].id?.equals(id.range, of: text) ?? false })
        {
            return slot
        }
        switch use {
        case .change: return last
        case .announce:
            // Another id makes another item, unless only deltas came so far.
            let isOther = items[last].isAnnounced && place.id != nil && items[last].id != nil
            return isOther ? nil : last
        case .finish:
            // Some gateways give an item another id in each event.
            if let call = place.callID,
                let slot = candidates.first(where: { items[$0].callID?.equals(call.range, of: text) ?? false })
            {
                return slot
            }
            if let slot = candidates.last(where: { !items[$0].isDone }) { return slot }
            return place.id == nil || items[last].id == nil ? last : nil
        }
    }

    private mutating func add(_ place: Place, of text: Span<UInt8>) -> Int {
        items.append(ResponseItem(index: place.index, sameIndex: place.index.flatMap { byIndex[$0] }))
        if let index = place.index { byIndex[index] = items.count - 1 }
        return items.count - 1
    }

    private mutating func register(_ id: JSONValue, of text: Span<UInt8>) {
        let sent = id.bytes(in: text)
        items[current].id = JSONNormalizer.normalized(id.range, of: text)
        byID[sent] = current
    }

    // MARK: Result

    /// The items in the order of their index.
    var ordered: [ResponseItem] {
        items.indices.sorted { (items[$0].index ?? $0, $0) < (items[$1].index ?? $1, $1) }.map { items[$0] }
    }
}
