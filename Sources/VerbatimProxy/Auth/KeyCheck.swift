import NIOHTTP1
import VerbatimHTTP

/// Authorizes requests by their key, and binds them to the key's session.
package struct KeyCheck: Sendable {
    /// The headers in which agents send a key, in the order in which they are searched.
    static let credentialHeaders = ["Authorization", "x-api-key", "api-key"]

    private let keys: AccessKeys
    /// Whether the engine's key takes the place of the agent's, in the header that the agent used.
    private let replacesCredentials: Bool

    /// - Parameters:
    ///   - keys: Without any, every request is authorized.
    ///   - replacesCredentials: Whether the engine's key replaces the agent's.
    package init(_ keys: [AccessKey], replacesCredentials: Bool) {
        self.keys = AccessKeys(keys)
        self.replacesCredentials = replacesCredentials
    }

    /// Removes the proxy's own keys from the request and puts it into its key's session. Returns why it is refused, or
    /// `nil`.
    func refusal(of request: inout ProxyRequest) -> ErrorResponse? {
        if keys.isEmpty { return nil }
        guard let key = key(in: request.head.headers) else { return .invalidKey }
        removeKeys(from: &request.head.headers)
        guard let session = key.session else { return nil }
        if let named = request.namedSession, named != session { return .sessionNotAllowed }
        request.namedSession = session
        request.isBound = true
        return nil
    }

    /// Whether a client with these headers may learn the names of all sessions.
    func maySeeSessions(_ headers: HTTPHeaders) -> Bool {
        if keys.isEmpty { return true }
        guard let key = key(in: headers) else { return false }
        return key.session == nil
    }

    /// The first of the proxy's keys among the credentials.
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

    /// Keeps the proxy's keys from the engine, whatever header holds them. One that the engine's key will replace stays
    /// in place until then.
    private func removeKeys(from headers: inout HTTPHeaders) {
        let kept = headers.filter { name, value in
            if replacesCredentials, Self.credentialHeaders.contains(where: { $0.lowercased() == name.lowercased() }) {
                return true
            }
            return keys.key(value[...]) == nil && keys.key(Self.credential(value)) == nil
        }
        if kept.count < headers.count { headers = HTTPHeaders(kept) }
    }

    /// The part after the scheme in `Bearer …`; the whole value if there is no scheme.
    static func credential(_ value: String) -> Substring {
        guard let space = value.utf8.firstIndex(of: UInt8(ascii: " ")) else { return value[...] }
        return value[space...].drop { $0 == " " }
    }
}
