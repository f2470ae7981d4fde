/// A key that lets an agent in.
package struct AccessKey: Sendable {
    package let text: String
    /// The only session its turns may belong to; `nil` if the agent may name any.
    package let session: String?

    package init(_ text: String, session: String? = nil) {
        self.text = text
        self.session = session
    }

    /// Whether `text` can be a key: what a header carries without quotes or spaces.
    package static func isValid(_ text: String) -> Bool {
        !text.isEmpty && text.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F }
    }
}

/// The keys that let agents in. Empty if everybody may enter.
struct AccessKeys: Sendable {
    /// By a hash whose seed is new with every process, so that how long a search takes says nothing of the keys.
    private let keys: [Int: [AccessKey]]

    init(_ keys: [AccessKey]) {
        self.keys = Dictionary(grouping: keys) { Self.hash($0.text.utf8) }
    }

    var isEmpty: Bool { keys.isEmpty }

    /// The key that `text` is.
    func key(_ text: Substring) -> AccessKey? {
        var found: AccessKey?
        for key in keys[Self.hash(text.utf8)] ?? [] where Self.isSame(key.text.utf8, text.utf8) { found = key }
        return found
    }

    private static func hash(_ text: some Sequence<UInt8>) -> Int {
        var hasher = Hasher()
        for byte in text { hasher.combine(byte) }
        return hasher.finalize()
    }

    /// Looks at every byte, however early the two differ: the time it takes says nothing of where that is.
    private static func isSame(_ key: String.UTF8View, _ text: Substring.UTF8View) -> Bool {
        guard key.count == text.count else { return false }
        return zip(key, text).reduce(0) { $0 | ($1.0 ^ $1.1) } == 0
    }
}
