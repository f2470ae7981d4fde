import VerbatimJSON

/// Assigns log-probability entries to tokens when there are fewer entries than tokens and each entry has an id.
enum TokenAlignment {
    /// Returns, for each token, the number of its entry, or nil if it has none or the assignment is ambiguous.
    ///
    /// - Returns: Nil if the ids of the entries are not a subsequence of the tokens.
    static func entries(_ entries: JSONList, among tokens: JSONList) -> [Int?]? {
        let wanted = entries.elements
        let ids = tokens.elements
        guard let earliest = places(of: wanted, in: ids) else { return nil }
        // The latest places are the earliest ones of the reversed lists.
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
