package import VerbatimJSON

/// The turns of a sealed rollout.
package struct Snapshot: Hashable, Sendable {
    /// Names these turns; a deletion must state it.
    package let id: String
    package let turns: Int
    /// Sampled tokens.
    package let tokens: Int
    /// The length of the trace, in bytes.
    package let bytes: Int
    /// The SHA-256 of the trace, in hexadecimal digits.
    package let sha256: String

    package init(id: String, turns: Int, tokens: Int, bytes: Int, sha256: String) {
        self.id = id
        self.turns = turns
        self.tokens = tokens
        self.bytes = bytes
        self.sha256 = sha256
    }

    init?(_ object: JSONObject, in text: Span<UInt8>) {
        guard let id = object.value("snapshot_id", in: text)?.string(in: text),
            let turns = object.value("turns", in: text)?.int(in: text),
            let tokens = object.value("tokens", in: text)?.int(in: text),
            let bytes = object.value("bytes", in: text)?.int(in: text),
            let sha256 = object.value("sha256", in: text)?.string(in: text)
        else { return nil }
        self.init(id: id, turns: turns, tokens: tokens, bytes: bytes, sha256: sha256)
    }

    package func writeMembers(to json: inout JSONWriter) {
        json.member("snapshot_id", id)
        json.member("turns", turns)
        json.member("tokens", tokens)
        json.member("bytes", bytes)
        json.member("sha256", sha256)
    }
}
