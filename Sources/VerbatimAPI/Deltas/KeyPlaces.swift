import VerbatimJSON

/// Where fields are that were added after the first few, by their keys as sent. The first few are found sooner by
/// looking at each.
struct KeyPlaces: Sendable {
    /// So many fields are not listed.
    static let start = 16

    private var places: [[UInt8]: Int] = [:]

    mutating func add(_ key: [UInt8], at place: Int) {
        if place >= Self.start { places[key] = place }
    }

    func place(of key: JSONString, in text: Span<UInt8>) -> Int? {
        places.isEmpty ? nil : places[[UInt8](copying: text, key.quoted)]
    }
}
