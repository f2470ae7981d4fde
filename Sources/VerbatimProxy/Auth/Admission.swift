import NIOHTTP1

/// Who may enter, and whose turns a request may write.
struct Admission: Sendable {
    /// Where agents put a key, in the order in which they are looked at.
    static let credentialHeaders = ["Authorization", "x-api-key", "api-key"]

    private let keys: AccessKeys
    /// Whether the engine's key takes the place of the agent's, in the header that the agent used.
    private let replacesCredentials: Bool

    init(_ settings: ProxySettings) {
        keys = AccessKeys(settings.apiKeys)
        replacesCredentials = settings.upstreamAPIKey != nil
    }

    /// Takes the proxy's own keys out of the request and places it in its key's session; answers why it may not enter.
    func refusal(of request: inout ProxyRequest) -> ErrorReply? {
        if keys.isEmpty { return nil }
        guard let key = key(in: request.head.headers) else { return .invalidKey }
        removeKeys(from: &request.head.headers)
        guard let session = key.session else { return nil }
        if let named = request.namedSession, named != session { return .sessionNotAllowed }
        request.namedSession = session
        request.isBound = true
        return nil
    }

    /// Whether the request may be told of every session.
    func maySeeSessions(_ headers: HTTPHeaders) -> Bool {
        if keys.isEmpty { return true }
        guard let key = key(in: headers) else { return false }
        return key.session == nil
    }

    /// The first of the proxy's keys where agents send theirs.
    private func key(in headers: HTTPHeaders) -> AccessKey? {
        for name in Self.credentialHeaders {
            for value in headers[name] {
                let isBearer = name == "Authorization"
                if isBearer && !value.lowercased().hasPrefix("bearer ") { continue }
                if let key = keys.key(isBearer ? Self.credential(value) : value[...]) { return key }
            }
        }
        return nil
    }

    /// No key of the proxy's is for the engine, whatever header holds it. One that the engine's own will replace stays in
    /// its place until then.
    private func removeKeys(from headers: inout HTTPHeaders) {
        let kept = headers.filter { name, value in
            if replacesCredentials, Self.credentialHeaders.contains(where: { $0.lowercased() == name.lowercased() }) {
                return true
            }
            return keys.key(value[...]) == nil && keys.key(Self.credential(value)) == nil
        }
        if kept.count < headers.count { headers = HTTPHeaders(kept) }
    }

    /// What follows the scheme in `Bearer …`; all of a value without one.
    static func credential(_ value: String) -> Substring {
        guard let space = value.utf8.firstIndex(of: UInt8(ascii: " ")) else { return value[...] }
        return value[space...].drop { $0 == " " }
    }
}
