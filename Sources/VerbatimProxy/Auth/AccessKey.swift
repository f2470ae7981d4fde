/// A key that authorizes an agent.
package struct AccessKey: Sendable {
    package let text: String
    /// The only session that its turns may belong to; `nil` for any.
    package let session: String?

    package init(_ text: String, session: String? = nil) {
        self.text = text
        self.session = session
    }

    /// Whether `text` can be a key: printable ASCII without spaces.
    package static func isValid(_ text: String) -> Bool {
        !text.isEmpty && text.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F }
    }
}

/// The keys that authorize agents. Without any, every request is authorized.
struct AccessKeys: Sendable {
    /// By a hash with a random seed, so that the time of a lookup reveals nothing about the keys.
    private let keys: [Int: [AccessKey]]

    init(_ keys: [AccessKey]) {
        self.keys = Dictionary(grouping: keys) { Self.hash($0.text.utf8) }
    }

    var isEmpty: Bool { keys.isEmpty }

    /// Returns the key that equals `text`.
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

    /// Compares every byte, so that the time reveals nothing about where the two differ.
    private static func isSame(_ key: String.UTF8View, _ text: Substring.UTF8View) -> Bool {
        guard key.count == text.count else { return false }
        return zip(key, text).reduce(0) { $0 | ($1.0 ^ $1.1) } == 0
    }
}
