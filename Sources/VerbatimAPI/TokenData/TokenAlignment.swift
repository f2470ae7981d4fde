import VerbatimJSON

/// Which of all tokens of a choice the entries of log-probabilities are of, where fewer entries came than tokens, and each
/// names its id.
enum TokenAlignment {
    /// For each token the number of its entry; `nil` if it has none, or if it could be one of several.
    ///
    /// - Returns: `nil` if the entries are not among the tokens, in their order.
    static func entries(_ entries: JSONList, among tokens: JSONList) -> [Int?]? {
        let wanted = entries.elements
        let ids = tokens.elements
        guard let earliest = places(of: wanted, in: ids) else { return nil }
        // The latest places are the earliest ones seen from behind.
        guard let backwards = places(of: wanted.reversed(), in: ids.reversed()) else { return nil }
        var aligned = [Int?](repeating: nil, count: ids.count)
        for (entry, place) in earliest.enumerated() where ids.count - 1 - backwards[wanted.count - 1 - entry] == place {
            aligned[place] = entry
        }
        return aligned
    }

    private static func places(of wanted: [ArraySlice<UInt8>], in ids: [ArraySlice<UInt8>]) -> [Int]? {
        var places: [Int] = []
        var next = 0
        for id in wanted {
            guard let place = ids[next...].firstIndex(where: { $0.elementsEqual(id) }) else { return nil }
            places.append(place)
            next = place + 1
        }
        return places
    }
}
