import VerbatimJSON
import VerbatimAPI

/// The session ids in a request's body, not validated. A value that should be a string and is not becomes an empty
/// string, which is no valid id.
struct SessionFields: Hashable, Sendable {
    /// In order of precedence: `prompt_cache_key` (OpenAI, Codex, kimi-cli), `session_id`, `metadata.user_id`
    /// (Claude Code), `metadata.session_id` (Mistral Vibe).
    private(set) var sessions: [String] = []
    /// `metadata.parent_session_id` (Mistral Vibe).
    private(set) var parent: String?

    /// Reads the top level of a request.
    init(_ request: RequestDocument) {
        let object = request.object
        let body = request.body.span
        let metadata = object.object("metadata", in: body)
        sessions = [
            Self.claim(object.value("prompt_cache_key", in: body), in: body),
            Self.claim(object.value("session_id", in: body), in: body),
            Self.text(metadata?.value("user_id", in: body), in: body).flatMap(Self.session(ofUser:)),
            Self.claim(metadata?.value("session_id", in: body), in: body),
        ].compactMap(\.self)
        parent = Self.claim(metadata?.value("parent_session_id", in: body), in: body)
    }

    private static func claim(_ value: JSONValue?, in text: Span<UInt8>) -> String? {
        guard let value, !value.isNull else { return nil }
        return self.text(value, in: text) ?? ""
    }

    /// Most bytes of a value that are read. No id is longer, and neither is a text that holds one.
    private static let longest = 4 << 10

    /// A string, or its beginning.
    private static func text(_ value: JSONValue?, in text: Span<UInt8>) -> String? {
        guard let value, value.kind == .string else { return nil }
        return JSONString(quoted: value.range, hasEscapes: true).decoded(in: text, limit: longest)
    }

    /// The names of these fields, to be looked for in a request.
    static let names = ["prompt_cache_key", "session_id"]
    static let nestedNames = [(parent: "metadata", names: ["user_id", "session_id", "parent_session_id"])]

    /// The session in Claude Code's user id: `{"device_id":"…","session_id":"…"}` as a text, or the older
    /// `user_…_session_<uuid>`. `nil` for any other user id, which names a person.
    static func session(ofUser id: String) -> String? {
        if id.hasPrefix("{") {
            let text = Array(id.utf8)
            let object = try? JSONObject(document: text.span)
            return claim(object?.value("session_id", in: text.span), in: text.span)
        }
        let mark = "_session_"
        guard id.hasPrefix("user_"), isUUID(id.utf8.suffix(36)), id.dropLast(36).hasSuffix(mark) else { return nil }
        return String(id.suffix(36))
    }

    /// Whether the text has the form `8-4-4-4-12` of hexadecimal digits.
    private static func isUUID(_ text: some Collection<UInt8>) -> Bool {
        text.count == 36
            && text.enumerated().allSatisfy { position, byte in
                if [8, 13, 18, 23].contains(position) { return byte == UInt8(ascii: "-") }
                switch byte {
                case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "a")...UInt8(ascii: "f"),
                    UInt8(ascii: "A")...UInt8(ascii: "F"):
                    return true
                default: return false
                }
            }
    }
}
