/// The lines of a text, as digests: enough to find the text again inside another one.
///
/// Of a long text only the least digests are kept. Both texts are then compared by those of their lines that would be
/// kept of either.
struct SharedLines: Sendable {
    private let digests: [UInt64]
    /// Digests above it were not kept.
    private let limit: UInt64

    /// Shorter lines occur by chance. In bytes.
    private static let shortest = 24
    private static let most = 256

    init(of text: String) {
        var digests: Set<UInt64> = []
        for line in text.split(whereSeparator: \.isNewline) {
            let trimmed = line.drop { $0.isWhitespace }
            if trimmed.utf8.count >= Self.shortest { digests.insert(TextDigest.digest(of: trimmed)) }
        }
        let sorted = digests.sorted()
        self.digests = Array(sorted.prefix(Self.most))
        limit = sorted.count > Self.most ? sorted[Self.most - 1] : .max
    }

    /// Whether four of five lines of `other` occur here.
    func contains(_ other: SharedLines) -> Bool {
        let compared = other.digests.prefix { $0 <= limit }
        if compared.isEmpty { return false }
        let own = Set(digests)
        return compared.count { own.contains($0) } * 5 >= compared.count * 4
    }
}
