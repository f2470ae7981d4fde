import VerbatimJSON

/// The tool calls of a message, to which fragments are joined.
///
/// An id that has come before decides, then the index. Under an index that is taken, a fragment with another id and a
/// name is another call: some engines send 0 for each call. If the engine sends no index, a fragment with a new id, or
/// with a name and no id, is a new call, and any other one continues the last call.
struct ToolCallList: Sendable {
    private var calls: [ToolCall] = []
    /// The latest call under an index.
    private var places: [Int: Int] = [:]
    private var identified: [[UInt8]: Int] = [:]
    private var nextIndex = 0

    var isEmpty: Bool { calls.isEmpty }

    mutating func join(_ fragment: ToolCall) {
        let id = fragment.id
        let place: Int
        if let known = self.place(of: fragment, id: id) {
            place = known
            calls[place].append(fragment)
        } else {
            place = calls.count
            let index = fragment.index ?? nextIndex
            nextIndex = max(nextIndex, index + 1)
            places[index] = place
            calls.append(fragment.under(index: index))
        }
        if let id { identified[id] = place }
    }

    private func place(of fragment: ToolCall, id: [UInt8]?) -> Int? {
        if let id, let known = identified[id], fragment.index == nil || fragment.index == calls[known].index {
            return known
        }
        if let index = fragment.index {
            guard let latest = places[index] else { return nil }
            let isAnother = id != nil && calls[latest].id != nil && fragment.hasName
            return isAnother ? nil : latest
        }
        return id != nil || fragment.hasName ? nil : calls.indices.last
    }

    /// The calls in the order of their indices.
    var json: JSONList {
        let order = calls.indices.sorted { (calls[$0].index ?? 0, $0) < (calls[$1].index ?? 0, $1) }
        var list = JSONList()
        for place in order { list.append(calls[place].json) }
        return list
    }
}
